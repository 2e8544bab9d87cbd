from collections.abc import Iterator

import pytest

from ltm3d.transforms.isolation import stop_children


@pytest.fixture(scope="module", autouse=True)
def no_children_left() -> Iterator[None]:
    """Stop the child process that `run_isolated` keeps."""
    yield
    stop_children()
