"""What is wrong with one row of a source: it becomes that asset's row of the ledger, and stops no other."""

import hashlib
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

from ltm3d.errors import AssetError
from ltm3d.schema import ObjectRecord

UID = re.compile(r"[A-Za-z0-9_-]{1,128}")
MAX_BYTES = 512 * 2**20  # as `LoadLimits.max_bytes`: what could not be read afterwards is not fetched
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def faulty(record: ObjectRecord, reason: str, detail: str) -> ObjectRecord:
    """Return a record whose object cannot be used: `fetch_object` rejects it, the first fault counts."""
    return record if record.fault else replace(record, fault=f"{reason}: {printable(detail)}")


def raise_fault(record: ObjectRecord) -> None:
    """Raise what is wrong with a record's row, if anything is."""
    if record.fault:
        reason, _, detail = record.fault.partition(": ")
        raise AssetError(reason, detail)


def with_safe_uid(record: ObjectRecord) -> ObjectRecord:
    """Give a record whose uid cannot name a file one that can, made from it, and the fault."""
    if UID.fullmatch(record.uid):
        return record
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", record.uid)[:80]
    mark = hashlib.sha256(record.uid.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    safe = replace(record, uid=f"{plain}-{mark}", main_file=printable(record.main_file))
    shown = record.uid if len(record.uid) <= 60 else f"{record.uid[:60]}…"
    return faulty(safe, "bad_row", f"the uid {shown!r} may hold up to 128 letters, digits, - and _ only: rename it")


def printable(text: str) -> str:
    """Return a text that UTF-8 can say: bytes of names that are not UTF-8 as \\xe9, control characters as blanks."""
    escaped = re.sub("[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", text)
    return re.sub(r"[\x00-\x1f\x7f]+", " ", escaped.encode("utf-8", "backslashreplace").decode())


def read_file(path: Path, *, left: int) -> bytes:
    """Read a file of at most `left` bytes.

    Raises:
        AssetError: `bad_row` for a pipe, a device or a folder, `too_large`. OSError: it is not there.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        raise AssetError("bad_row", f"{printable(path.name)} is {kind}, not a file")
    if status.st_size > left:
        raise AssetError(
            "too_large", f"{printable(path.name)}: {status.st_size:,} bytes; {left:,} are left of the limit"
        )
    return path.read_bytes()


def text_of(value: Any) -> str:
    """Return a string as one line without control characters; '' for what is none."""
    return " ".join(printable(value).split()) if isinstance(value, str) else ""


def number_of(value: Any) -> float:
    """Return a number; 0 for what is none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def names_of(value: Any) -> list[str]:
    """Return the names of a list of `{name: …}` or of strings; what is neither is left out."""
    items = value if isinstance(value, list | tuple) else ()
    names = [text_of(item.get("name") if isinstance(item, dict) else item) for item in items]
    return [name for name in names if name]
