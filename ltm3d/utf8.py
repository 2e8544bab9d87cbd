"""UTF-8 whatever the locale: names and files of the project are UTF-8, and LC_ALL=C would have them read as ASCII."""

import locale
import os
import sys


def use_utf8() -> None:
    """Start this process anew in Python's UTF-8 mode where the locale has another encoding; its children too.

    Does not return then. Call it first, from a process that `python` or a console script started.
    """
    os.environ["PYTHONUTF8"] = "1"
    encodings = (locale.getencoding(), sys.getfilesystemencoding())
    if sys.flags.utf8_mode or all(name.lower().replace("-", "") == "utf8" for name in encodings):
        return
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
