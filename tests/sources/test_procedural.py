import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ltm3d.errors import AssetError, ConfigError, SourceError
from ltm3d.mesh_io.loading import load_mesh
from ltm3d.procedural.objects import CATEGORIES, build_mesh
from ltm3d.schema import ObjectRecord
from ltm3d.sources.procedural import ProceduralSource


@pytest.fixture(scope="module")
def source() -> ProceduralSource:
    return ProceduralSource(num_objects=21, seed=4)


def test_records_are_balanced_sorted_and_complete(source: ProceduralSource) -> None:
    records = source.list_objects()
    assert Counter(record.category for record in records) == dict.fromkeys(CATEGORIES, 3)
    uids = [record.uid for record in records]
    assert uids == sorted(set(uids))
    for record in records:
        category, index = record.uid.removeprefix("procedural-").split("-")
        assert record.category == category == list(CATEGORIES)[int(index) % 7]
        assert (record.source, record.licence, record.split) == ("procedural", "CC0-1.0", "")
        assert (record.up, record.front, record.main_file) == ("+y", "+z", "model.glb")
        assert len(record.attributes) >= 12 and len(record.parameters) >= 5
        assert record.attribution == "ltm3d procedural source"


def test_uid_names_category_and_index() -> None:
    records = ProceduralSource(num_objects=13, seed=0).list_objects()
    assert "procedural-sofa-000012" in {record.uid for record in records}


def test_glb_holds_the_object_with_its_colours(source: ProceduralSource, tmp_path: Path) -> None:
    record = source.list_objects()[0]
    files = source.fetch(record)
    assert list(files) == ["model.glb"]
    (tmp_path / "model.glb").write_bytes(files["model.glb"])
    loaded = load_mesh(tmp_path / "model.glb")
    mesh = build_mesh(record.category, record.attributes, record.parameters)
    np.testing.assert_array_equal(loaded.triangles, mesh.triangles)
    assert loaded.vertex_colors is not None and mesh.vertex_colors is not None
    np.testing.assert_allclose(
        loaded.vertex_colors[loaded.faces].astype(int), mesh.vertex_colors[mesh.faces].astype(int), atol=1
    )


def test_object_does_not_depend_on_how_many_there_are(source: ProceduralSource) -> None:
    more = {record.uid: record for record in ProceduralSource(num_objects=70, seed=4).list_objects()}
    for record in source.list_objects():
        assert more[record.uid] == record


def test_limit_keeps_the_first_objects(source: ProceduralSource) -> None:
    limited = ProceduralSource(num_objects=21, seed=4, limit=7).list_objects()
    assert sorted(record.category for record in limited) == sorted(CATEGORIES)
    assert [record for record in source.list_objects() if int(record.uid[-6:]) < 7] == limited


def test_categories_can_be_chosen() -> None:
    records = ProceduralSource(num_objects=6, seed=4, categories=("bench", "lamp")).list_objects()
    assert Counter(record.category for record in records) == {"bench": 3, "lamp": 3}


def test_licence_filter() -> None:
    assert len(ProceduralSource(num_objects=3, seed=0, licences=("cc0",)).list_objects()) == 3
    with pytest.raises(SourceError, match=r"CC0-1\.0"):
        ProceduralSource(num_objects=3, seed=0, licences=("mit",)).list_objects()


@pytest.mark.parametrize(
    "settings",
    [
        {"num_objects": 0},
        {"seed": -1},
        {"categories": ("lamp", "spoon")},
        {"categories": ("lamp", "lamp")},
        {"categories": ()},
        {"up": "+z", "front": "+y"},
        {"weight": 0.0},
        {"limit": 0},
    ],
)
def test_bad_settings_are_named(settings: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        ProceduralSource(**({"num_objects": 7, "seed": 0} | settings))


def test_a_foreign_record_is_a_bad_asset(source: ProceduralSource) -> None:
    with pytest.raises(AssetError) as caught:
        source.fetch(ObjectRecord(uid="other", source="folder", main_file="a.obj", category="chair"))
    assert caught.value.reason == "fetch_error"


DIGEST = """
import hashlib
from ltm3d.sources.procedural import ProceduralSource
source = ProceduralSource(num_objects=21, seed=4)
for record in source.list_objects():
    print(record, hashlib.sha256(source.fetch(record)["model.glb"]).hexdigest())
"""


def test_bytes_are_equal_in_another_process(source: ProceduralSource, repository: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", DIGEST],
        cwd=repository,
        env={"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    own = [f"{r} {hashlib.sha256(source.fetch(r)['model.glb']).hexdigest()}" for r in source.list_objects()]
    assert run.stdout.splitlines() == own
