"""The checker that the test run puts on every function of ltm3d: shapes and dtypes only."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable) -> Callable:
    """Check the arguments and results that are annotated with a jaxtyping shape; leave the rest to mypy."""
    annotations = getattr(function, "__annotations__", {})
    shaped = {name: hint if "jaxtyping" in repr(hint) else Any for name, hint in annotations.items()}
    if all(hint is Any for hint in shaped.values()):
        return function
    function.__annotations__ = shaped
    return _beartype(function)
