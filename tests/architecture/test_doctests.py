"""That the examples in docstrings say what happens."""

import doctest
import re
from importlib import import_module

import pytest
from imports import modules

WITH_EXAMPLES = sorted(
    name for name, path in modules().items() if re.search(r"^ *>>> ", path.read_text(), re.MULTILINE)
)


def test_the_public_interface_has_examples() -> None:
    assert {"ltm3d", "ltm3d.api"} <= set(WITH_EXAMPLES)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name: str) -> None:
    result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.attempted and not result.failed
