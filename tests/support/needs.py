"""What a test needs of the machine beside a core, told by its fixtures and by what its file imports.

A test that needs Ray, a server or a browser carries that marker, by which `make test-fast` leaves it out.
"""

from functools import cache
from pathlib import Path

import pytest
from imports import REPOSITORY, imported_names

SUPPORT = REPOSITORY / "tests" / "support"
NEEDS = {  # → modules of tests/support and fixtures
    "browser": ({"browser"}, set()),
    "server": ({"mlflow_server", "processes"}, set()),
    "ray": ({"ray_head", "ray_runs", "checkout"}, {"small_ray", "undisturbed", "data_log"}),
}


def needs_of(item: pytest.Item) -> list[str]:
    """The markers of a test's needs."""
    imported, asked = _support(item.path), set(getattr(item, "fixturenames", ()))
    return [
        need
        for need, (modules, fixtures) in NEEDS.items()
        if item.get_closest_marker(need) or modules & imported or fixtures & asked
    ]


@cache
def _support(path: Path) -> frozenset[str]:
    """The modules of tests/support that a file imports, by whatever way."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        for name in imported_names(waiting.pop()):
            module = name.split(".")[0]
            if module not in found and (SUPPORT / f"{module}.py").is_file():
                found.add(module)
                waiting.append(SUPPORT / f"{module}.py")
    return frozenset(found)
