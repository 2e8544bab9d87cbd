"""Sources out of settings."""

import pytest

from ltm3d.errors import ConfigError
from ltm3d.sources.kinds import build_sources


def test_sources_are_built_by_kind() -> None:
    (source,) = build_sources([{"kind": "procedural", "num_objects": 5, "seed": 1}])
    assert source.name == "procedural" and len(source.list_objects()) == 5


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"kind": "objaverze"},
            r"sources\.0\.kind: 'objaverze' is no source; .*folder, objaverse, procedural, shapenet",
        ),
        ({}, r"sources\.0\.kind: None is no source"),
        ({"kind": "procedural", "objects": 5}, r"sources\.0\.objects: unknown key; .*num_objects"),
    ],
)
def test_a_wrong_source_is_named(entry: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_sources([entry])


def test_no_sources_at_all() -> None:
    with pytest.raises(ConfigError, match="at least one source"):
        build_sources([])
