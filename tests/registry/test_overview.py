"""What a registry has, on real registrations."""

from pathlib import Path

import pytest
from mlflow_database import new_database
from small_registry import Registry

from ltm3d.registry.overview import describe_choice, list_registry
from ltm3d.registry.registration import find_version
from ltm3d.registry.versions import set_alias

pytestmark = pytest.mark.slow


def test_the_version_that_answers_is_named_with_what_is_newer(tmp_path: Path) -> None:
    uri = new_database(tmp_path)
    demo = Registry(tmp_path / "demo", uri)
    demo.add([0.3])
    set_alias(demo.name, "champion", "1", uri)
    used = find_version("models:/ltm3d-sdf@champion", uri)
    assert describe_choice(used, uri) == "ltm3d-sdf version 1 (challenger, champion)"

    for number, representation in enumerate(("mychairs-sdf", "points-point_cloud")):
        other = Registry(tmp_path / f"own{number}", uri, representation.rpartition("-")[2])
        other.name = f"ltm3d-{representation}"
        other.add([0.2])
    demo.add([0.25])
    assert describe_choice(used, uri) == (
        "ltm3d-sdf version 1 (champion); newer: "
        "ltm3d-sdf version 2 (challenger), --model models:/ltm3d-sdf@challenger; "
        "ltm3d-mychairs-sdf version 1 (challenger), --model models:/ltm3d-mychairs-sdf@challenger"
    )
    newest = find_version("models:/ltm3d-sdf@challenger", uri)
    assert describe_choice(newest, uri) == "ltm3d-sdf version 2 (challenger)"
    assert [each.label for each in list_registry(uri)] == [
        "ltm3d-mychairs-sdf version 1 (challenger)",
        "ltm3d-points-point_cloud version 1 (challenger)",
        "ltm3d-sdf version 2 (challenger)",
        "ltm3d-sdf version 1 (champion)",
    ]
