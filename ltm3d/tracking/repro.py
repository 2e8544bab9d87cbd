"""Which runs belong together: those of the stages that one `dvc repro` starts."""

import hashlib
import os
import platform
from pathlib import Path


def repro_id() -> str:
    """Return a name that all stages of one `dvc repro`, and of one queued experiment, share; empty without DVC.

    It stands for the process of DVC that started this stage: its host, its number, and when it began.
    """
    if "DVC_STAGE" not in os.environ:
        return ""
    import psutil

    for parent in psutil.Process().parents():
        try:
            is_within = "DVC_STAGE" in parent.environ()  # a shell between DVC and the stage
        except psutil.Error:
            return ""
        if not is_within:
            text = f"{platform.node()} {_boot()} {parent.pid} {_started(parent.pid)}"
            return hashlib.sha256(text.encode()).hexdigest()[:12]
    return ""


def _boot() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.is_file() else ""


def _started(pid: int) -> str:
    """When a process began; from the kernel's own count where there is one, which no change of the clock moves."""
    path = Path("/proc", str(pid), "stat")
    if path.is_file():
        return path.read_text().rpartition(")")[2].split()[19]
    import psutil

    return str(round(psutil.Process(pid).create_time()))
