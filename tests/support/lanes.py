"""How pytest-xdist shares the tests out: what shares a fixture stays in one worker, and the longest comes first.

`--dist loadgroup` of pytest-xdist 3.8 does not do it: it writes a group into a field that pytest 9.2 no longer reads,
and gives each test to whichever worker is free. Both workers then make the fixtures of every file.
"""

import pytest
from xdist.scheduler import LoadScopeScheduling

# A lane is a file, or several that share a fixture of the session, or a class with a fixture of its own.
SHARED = {
    "tests/training/test_launch.py": "tests/training/test_survival.py",
    **dict.fromkeys(
        [
            f"tests/pipelines/test_{name}.py"
            for name in ("build_targets", "caption_views", "clean_meshes", "data_card", "download")
        ],
        "tests/pipelines/test_render_views.py",
    ),
}
BY_CLASS = {"tests/pipelines/test_digest_inputs.py"}
LONGEST = (
    "tests/pipelines/test_lineage.py",
    "tests/pipelines/test_digest_inputs.py::TestTraining",
    "tests/training/test_survival.py",
    "tests/pipelines/test_render_views.py",
    "tests/pipelines/test_train_tokenizer.py",
    "tests/pipelines/test_digest_inputs.py::TestFolder",
    "tests/pipelines/test_interrupt.py",
    "tests/deploy/test_jobs.py",
    "tests/training/test_zero.py",
    "tests/deploy/test_two_hosts.py",
    "tests/deploy/test_checkouts.py",
    "tests/registry/test_promotion.py",
    "tests/evaluation/test_attribute_training.py",
    "tests/serving/test_model_file.py",
    "tests/pipelines/test_evaluate_generator.py",
)


def lane(nodeid: str) -> str:
    """Name the lane of a test."""
    path, *rest = nodeid.split("::")
    return f"{path}::{rest[0]}" if path in BY_CLASS else SHARED.get(path, path)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Order tests so that a lane's stand together, the longest lanes first, then what else has slow tests."""
    lanes: dict[str, list[pytest.Item]] = {}
    for item in items:
        lanes.setdefault(lane(item.nodeid), []).append(item)
    place = {name: index for index, name in enumerate(LONGEST)}

    def rank(name: str) -> tuple[int, int]:
        return place.get(name, len(place)), -sum(item.get_closest_marker("slow") is not None for item in lanes[name])

    return [item for name in sorted(lanes, key=rank) for item in lanes[name]]


class Lanes(LoadScopeScheduling):
    """Give a worker that has little left the next lane as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)
