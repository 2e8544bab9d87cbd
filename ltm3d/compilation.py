"""The door to numba: functions of arrays that are compiled when they are first called."""

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any


def compiled(*, reorders_sums: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for one thread; the machine code is kept beside the source for the next process.

    A compiled function calls no other one: numba keeps the old machine code when only the callee's file has changed.
    On one kind of processor the same input always gives the same bytes.

    Args:
        reorders_sums: let the compiler add in vectors. Else arithmetic is strictly as written, on any processor.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @cache
        def dispatcher() -> Any:
            import numba

            fastmath = {"reassoc", "nsz"} if reorders_sums else False
            return numba.njit(cache=True, error_model="numpy", fastmath=fastmath)(inspect.unwrap(function))

        @wraps(function)
        def call(*arguments: Any) -> Any:
            return dispatcher()(*arguments)

        return call

    return decorate
