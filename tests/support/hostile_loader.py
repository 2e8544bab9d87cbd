"""A loader that does what native code does with some files: dies, hangs, eats memory. For the isolating child."""

import ctypes
import time
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.loading import LoadLimits
from ltm3d.transforms import clean_meshes as clean


def clean_file(
    path: Path, root: Path, up: str, front: str, limits: LoadLimits, remesh: None, shape: None
) -> tuple[Mesh, dict[str, Any]]:
    """Do what the file's first word says, else load it."""
    word = path.read_bytes()[:8] if path.is_file() else b""
    if word == b"SEGFAULT":
        ctypes.string_at(0)
    if word == b"HANGHANG":
        time.sleep(600)
    if word == b"EATEATEA":
        np.ones((2**13, 2**20))  # 64 GB
    return clean.clean_file(path, root, up, front, limits)
