"""A Python that has every library and not this project, as a machine has that only knows the registry."""

import os
import sys
import sysconfig
import venv
from pathlib import Path


def make_environment(folder: Path) -> tuple[Path, dict[str, str]]:
    """Make a virtual environment on the libraries of this one; return its Python and the variables for its processes.

    Its site-packages name ours in a .pth file. Python does not read the .pth files that lie there, and an editable
    install is one, so the checkout is out of reach.
    """
    venv.create(folder, with_pip=False)
    binaries = folder / "bin"
    python = binaries / "python"
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name, module in (("mlflow", "mlflow.cli:cli"), ("uvicorn", "uvicorn.main:main")):
        package, _, function = module.partition(":")
        script = binaries / name
        script.write_text(f"#!{python}\nfrom {package} import {function}\n{function}()\n")
        script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return python, {**kept, "PATH": f"{binaries}:{os.environ['PATH']}", "VIRTUAL_ENV": str(folder)}
