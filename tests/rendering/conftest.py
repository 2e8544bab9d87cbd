import pytest

from ltm3d.errors import ConfigError
from ltm3d.rendering.backends import Backend, resolve


@pytest.fixture(scope="session")
def opengl_backend() -> Backend:
    """OpenGL as it is on this machine; skips where EGL does not work."""
    try:
        return resolve("opengl")
    except ConfigError as error:
        pytest.skip(f"no OpenGL through EGL on this machine: {error}")
