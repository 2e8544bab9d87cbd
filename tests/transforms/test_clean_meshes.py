import hostile_loader
import numpy as np
import pytest
from dirty_files import DIRTY
from mesh_files import box, glb, grid, record, write_raw

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.mesh_io.loading import LoadLimits
from ltm3d.transforms import clean_meshes as clean_module
from ltm3d.transforms.clean_meshes import CleanConfig, ShapeLimits, clean_shard
from ltm3d.transforms.isolation import ChildLimits
from ltm3d.transforms.jobs import ShardJob

OBJ_WITHOUT_PICTURE = b"mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nusemtl m\nf 1/1 2/1 3/1\n"


def clean(folder, files, records=None, **settings):
    write_raw(folder / "shard-00000", files, records)
    job = ShardJob(name="shard-00000", uids=tuple(files), inputs=(folder / "shard-00000",), key="k")
    return clean_shard(job, config=CleanConfig(**settings))


def test_good_assets_are_kept_beside_bad_ones(tmp_path):
    bad = box().vertices.copy()
    bad[3] = np.nan
    result = clean(
        tmp_path,
        {
            "box": glb(box((4, 2, 1))),
            "noise": {"model.glb": b"glTF" + bytes(100)},
            "empty": {"model.glb": b""},
            "nan": glb(Mesh(bad, box().faces)),
            "flat": glb(Mesh(box((1, 0, 0)).vertices, box().faces)),
            "missing": {"other.glb": b""},
            "open": glb(Mesh(box().vertices, box().faces[1:])),
        },
    )
    assert list(result.uids) == ["box", "open"]
    reasons = {reject.uid: reject.reason for reject in result.rejects}
    assert reasons["noise"] == reasons["empty"] == "parse_error"
    assert reasons["nan"] in ("non_finite", "parse_error")
    assert reasons["flat"] == "no_surface"
    assert set(reasons) == {"noise", "empty", "nan", "flat", "missing"}
    assert [record["is_watertight"] for record in result.records] == [True, False]


def test_an_asset_comes_out_in_the_frame_with_its_facts(tmp_path):
    records = {"a": record("a", up="+z", front="-y"), "b": record("b")}
    result = clean(tmp_path, {"a": glb(box((4, 2, 1))), "b": glb(box((4, 2, 1), color=None))}, records)
    extents = [np.ptp(vertices, axis=0) for vertices in result.arrays["vertices"]]
    np.testing.assert_allclose(extents[0], np.array([4, 1, 2]) * 1.9 / 4, atol=1e-6)
    np.testing.assert_allclose(extents[1], np.array([4, 2, 1]) * 1.9 / 4, atol=1e-6)
    facts = result.records[1]
    assert facts["uid"] == "b" and facts["caption"] == "A 3D model of a box, Box."
    assert facts["num_faces"] == 12
    assert facts["scale"] == pytest.approx(1.9 / 4)
    assert facts["offset"] == pytest.approx((0, 0, 0))
    np.testing.assert_array_equal(np.unique(result.arrays["vertex_colors"][0], axis=0), [[200, 30, 30]])


def test_the_same_geometry_has_the_same_signature(tmp_path):
    order = np.random.default_rng(0).permutation(12)
    shuffled = Mesh(box().vertices * 3 + 1, np.roll(box().faces[order], 1, axis=1))
    result = clean(tmp_path, {"a": glb(box()), "b": glb(shuffled), "c": glb(box((1, 1, 2)))})
    signatures = [record["signature"] for record in result.records]
    assert signatures[0] == signatures[1] != signatures[2]


def test_limits_are_kept(tmp_path):
    files = {"a": glb(box()), "b": glb(box())}
    few = clean(tmp_path / "faces", files, limits=LoadLimits(max_faces=11))
    assert {reject.reason for reject in few.rejects} == {"too_large"}
    short = clean(tmp_path / "time", {"a": glb(box()), "b": glb(grid(700))}, child=ChildLimits(timeout_s=1))
    assert list(short.uids) == ["a"]
    assert [(reject.uid, reject.reason) for reject in short.rejects] == [("b", "timeout")]


@pytest.mark.parametrize(
    "settings", [{"val_fraction": -0.1}, {"val_fraction": 0.5, "test_fraction": 0.5}, {"max_reject_fraction": 2}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        CleanConfig(**settings)


def test_child_limits_out_of_range():
    with pytest.raises(ConfigError, match="timeout_s"):
        ChildLimits(timeout_s=0)
    with pytest.raises(ConfigError, match="memory_mb"):
        ChildLimits(memory_mb=1)


def test_real_assets_of_both_makes(shared_data, tmp_path):
    path = sorted((shared_data / "objaverse").rglob("*.glb"))[0]
    folder = sorted((shared_data / "shapenet").rglob("*.obj"))[0].parents[1]
    obj = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    main = next(name for name in sorted(obj) if name.endswith(".obj"))
    records = {"glb": record("glb"), "obj": record("obj", main_file=main)}
    result = clean(tmp_path, {"glb": {"model.glb": path.read_bytes()}, "obj": obj}, records)
    assert list(result.uids) == ["glb", "obj"], result.rejects
    for vertices in result.arrays["vertices"]:
        assert np.ptp(vertices, axis=0).max() == pytest.approx(1.9, abs=1e-5)


@pytest.fixture(scope="module")
def dirty_result(tmp_path_factory):
    """One shard with a good neighbour before and after each broken file."""
    files = {}
    for number, (name, (content, _)) in enumerate(DIRTY.items()):
        files[f"{number:03}-good"] = glb(box((3 + number, 2, 1)))
        files[f"{number:03}-{name}"] = content
    folder = tmp_path_factory.mktemp("raw") / "shard-00000"
    write_raw(folder, files)
    job = ShardJob(name=folder.name, uids=tuple(files), inputs=(folder,), key="k")
    limits = LoadLimits(max_faces=2_000, max_pixels=10**6)
    config = CleanConfig(limits=limits, child=ChildLimits(timeout_s=15, clock_s=15, memory_mb=1024))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clean_module, "clean_file", hostile_loader.clean_file)
        return clean_shard(job, config=config)


def test_neighbours_of_broken_files_are_kept(dirty_result):
    assert [uid for uid in dirty_result.uids if uid.endswith("-good")] == [f"{n:03}-good" for n in range(len(DIRTY))]


@pytest.mark.parametrize("name", DIRTY)
def test_a_broken_file_has_its_typed_reason(dirty_result, name: str):
    reason = DIRTY[name][1]
    uid = f"{list(DIRTY).index(name):03}-{name}"
    found = {reject.uid: reject for reject in dirty_result.rejects}
    if reason is None:
        assert uid in dirty_result.uids
        return
    assert uid in found, "it was kept"
    assert found[uid].reason == reason, found[uid].detail
    assert found[uid].detail


def test_what_the_surface_must_be_like_and_what_was_lost_is_told(tmp_path):
    large = box((2, 2, 2))
    pair = concatenate([box((1, 1, 1)), Mesh(large.vertices + 5, large.faces, large.vertex_colors)])
    obj = {"model.glb": b"", "a.obj": OBJ_WITHOUT_PICTURE, "a.mtl": b"newmtl m\nmap_Kd none.png\n"}
    records = {"pair": record("pair"), "obj": record("obj", main_file="a.obj")}
    files = {"pair": glb(pair), "obj": obj}
    result = clean(tmp_path / "all", files, records)
    assert [facts["largest_part"] for facts in result.records] == [pytest.approx(0.8), pytest.approx(1)]
    assert result.records[1]["notes"] == ["picture 'none.png': not there"] and "notes" not in result.records[0]
    result = clean(tmp_path / "few", files, records, shape=ShapeLimits(min_largest_part=0.9))
    assert [(reject.uid, reject.reason) for reject in result.rejects] == [("pair", "scattered")]
    assert "clean_meshes.shape.min_largest_part" in result.rejects[0].detail
    with pytest.raises(ConfigError, match="min_core_extent"):
        ShapeLimits(min_core_extent=2)
