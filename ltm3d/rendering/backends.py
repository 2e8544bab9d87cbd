"""Which renderer takes the pictures: Embree, which works everywhere, or OpenGL, which is faster where EGL works."""

import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.rendering import embree, opengl
from ltm3d.rendering.cameras import ViewConfig
from ltm3d.rendering.film import Views

logger = logging.getLogger(__name__)

Renderer = Literal["auto", "embree", "opengl"]

TRIAL_SECONDS = 60
_TRIAL = """
import sys
from ltm3d.errors import ConfigError
from ltm3d.rendering.opengl import try_out
try:
    print(try_out())
except ConfigError as error:
    sys.exit(str(error))
"""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """The renderer that is really used. Pictures of equal backends are equal to the last bit, so it belongs in a key.

    Attributes:
        driver: what OpenGL says of itself; other drivers round otherwise. Empty for Embree.
    """

    name: Literal["embree", "opengl"]
    driver: str = ""


EMBREE = Backend(name="embree")


def resolve(renderer: Renderer) -> Backend:
    """Return what a setting means on this machine: `auto` is OpenGL where it works, else Embree.

    Called once for a whole set of pictures, in the process that hands the work out: workers that decided each for
    themselves would mix renderers in one set.

    Raises:
        ConfigError: `opengl`, and it does not work here.
    """
    if renderer == "embree":
        return EMBREE
    driver, fault = _try_opengl()
    if driver:
        return Backend(name="opengl", driver=driver)
    if renderer == "opengl":
        raise ConfigError(f"renderer opengl: {fault}; {opengl.REMEDY}")
    logger.info("renderer auto: embree, as there is no working OpenGL (%s)", fault)
    return EMBREE


def render(
    mesh: Mesh, cameras: np.ndarray, *, config: ViewConfig, lights: np.ndarray | None = None, backend: Backend = EMBREE
) -> Views:
    """Take a picture from each of the cameras [V, 4, 4]; see `embree.render`.

    Raises:
        ConfigError: the backend's OpenGL is not the one of this machine.
    """
    if backend.name == "embree":
        return embree.render(mesh, cameras, config=config, lights=lights)
    found = opengl.driver()
    if found != backend.driver:
        raise ConfigError(
            f"renderer opengl: this machine has {found}, the work was planned for {backend.driver}, and their pictures "
            "differ in the last bits: give all machines the same driver, or set renderer: embree"
        )
    return opengl.render(mesh, cameras, config=config, lights=lights)


@cache
def _try_opengl() -> tuple[str, str]:
    """Return OpenGL's driver, or "" and what is wrong with it.

    It is tried in a child process, which a broken driver may end or hang.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL], env=environment, capture_output=True, text=True, timeout=TRIAL_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "", f"a first picture took more than {TRIAL_SECONDS} s"
    if done.returncode < 0:
        return "", f"a first picture ended its process with {signal.Signals(-done.returncode).name}"
    said = (done.stderr if done.returncode else done.stdout).strip().splitlines() or ["it says nothing"]
    return ("", said[-1]) if done.returncode else (said[-1], "")
