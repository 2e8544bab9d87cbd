"""Objaverse: a small mirror made here, the same mirror behind a local server, and the real mirror."""

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import objaverse
import pytest

from ltm3d.errors import AssetError, ConfigError, SourceError
from ltm3d.sources.objaverse import AnnotationFilter, ObjaverseSource

LICENCES = ("by", "cc0", "by-nc", "by-sa")


def uid_of(index: int) -> str:
    return f"{index:032x}"


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(content).encode()))


def make_mirror(folder: Path) -> Path:
    """Write 12 objects in two folders in the package's layout; odd ones are stools of the LVIS table."""
    folder = folder / "hf-objaverse-v1"
    paths = {uid_of(i): f"glbs/000-00{i % 2}/{uid_of(i)}.glb" for i in range(12)}
    write(folder / "object-paths.json.gz", paths)
    write(
        folder / "lvis-annotations.json.gz", {"Bar_Stool": [uid_of(i) for i in range(1, 12, 2)], "apple": [uid_of(0)]}
    )
    for part in range(2):
        annotations = {
            uid_of(i): {
                "uid": uid_of(i),
                "name": f"My_Object {i}",
                "license": LICENCES[i % 4],
                "faceCount": 100 * i,
                "animationCount": i % 3,
                "likeCount": i,
                "isAgeRestricted": i == 10,
                "tags": [{"name": "Wood"}] if i < 4 else [],
                "categories": [{"name": "furniture-home"}],
                "user": {"displayName": "Ann"},
                "viewerUrl": f"https://sketchfab.com/3d-models/{uid_of(i)}",
            }
            for i in range(part, 12, 2)
        }
        write(folder / f"metadata/000-00{part}.json.gz", annotations)
    for uid, path in paths.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"glTF" + uid.encode())
    return folder


def numbers(source: ObjaverseSource) -> list[int]:
    return [int(record.uid, 16) for record in source.list_objects()]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return make_mirror(tmp_path / "mirror")


def test_a_mirror_is_listed_and_read(mirror: Path) -> None:
    for root in (mirror, mirror.parent, str(mirror)):
        source = ObjaverseSource(root=root, annotations=AnnotationFilter(allow_age_restricted=True))
        records = source.list_objects()
        assert [record.uid for record in records] == [uid_of(i) for i in range(12)]
    assert source.fetch(records[3]) == {"model.glb": b"glTF" + uid_of(3).encode()}
    assert records[3].category == "bar stool" and records[3].licence == "CC-BY-SA-4.0"
    assert records[3].caption == "A 3D model of my object, Bar stool."
    assert records[2].category == "furniture home" and "by Ann" in records[2].attribution
    assert objaverse._VERSIONED_PATH.startswith(str(Path.home()))  # as it was


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"uids": (uid_of(5), uid_of(2) + ".glb")}, [2, 5]),
        ({"lvis_categories": ("bar stool",)}, [1, 3, 5, 7, 9, 11]),
        ({"lvis_categories": ("Bar_Stool", "apple")}, [0, 1, 3, 5, 7, 9, 11]),
        ({"lvis_categories": ("apple",), "uids": (uid_of(0), uid_of(1))}, [0]),
        ({"licences": ("cc-by", "cc0")}, [0, 1, 4, 5, 8, 9]),
        ({"annotations": AnnotationFilter(tags=("wood",))}, [0, 1, 2, 3]),
        ({"annotations": AnnotationFilter(min_faces=300, max_faces=600)}, [3, 4, 5, 6]),
        ({"annotations": AnnotationFilter(max_animations=0)}, [0, 3, 6, 9]),
        ({"annotations": AnnotationFilter(min_likes=9)}, [9, 11]),  # 10 is age restricted
        ({"annotations": AnnotationFilter(names=("OBJECT 1",))}, [1, 11]),
        ({"annotations": AnnotationFilter(categories=("furniture-home",)), "uids": (uid_of(1),)}, [1]),
    ],
)
def test_selections(mirror: Path, settings: dict, expected: list[int]) -> None:
    assert numbers(ObjaverseSource(root=mirror, **settings)) == expected


def test_limit_counts_after_the_filters_and_only_adds(mirror: Path) -> None:
    few, more = (numbers(ObjaverseSource(root=mirror, limit=limit)) for limit in (3, 6))
    assert len(few) == 3 and len(more) == 6 and set(few) < set(more)
    assert len(numbers(ObjaverseSource(root=mirror, limit=4, licences=("cc-by", "cc0")))) == 4


def test_captions_file(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text(f"{uid_of(1)},A tall stool of pine wood.\n")
    source = ObjaverseSource(root=mirror, uids=(uid_of(1),), captions=tmp_path / "captions.csv")
    assert source.list_objects()[0].caption == "A 3D model of a tall stool of pine wood, Bar stool."


def test_what_the_source_cannot_do(mirror: Path, tmp_path: Path) -> None:
    def message(**settings: object) -> str:
        with pytest.raises(SourceError) as error:
            ObjaverseSource(**{"root": mirror, **settings}).list_objects()  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "no Objaverse mirror" in message(root=tmp_path / "absent") and "download: true" in message(root=tmp_path)
    assert f"1 of 2 uids are not in this Objaverse, {'f' * 32}" in message(uids=("f" * 32, uid_of(1)))
    assert "no LVIS category zebra here; there are apple, bar stool" in message(lvis_categories=("zebra",))
    assert "selects no object" in message(annotations=AnnotationFilter(min_likes=99))
    assert "HF_HUB_OFFLINE" in message(root=tmp_path / "new", download=True)


@pytest.mark.parametrize(
    "content", [b"broken", None, gzip.compress(b"[1]", mtime=0), gzip.compress(b"[" * 100_000, mtime=0)]
)
def test_objects_whose_annotations_cannot_be_read_are_rows_of_the_ledger(mirror: Path, content: bytes | None) -> None:
    path = mirror / "metadata/000-001.json.gz"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    records = ObjaverseSource(root=mirror).list_objects()
    assert len(records) == 12
    assert [bool(record.fault) for record in records] == [index % 2 == 1 for index in range(12)]
    assert all(record.fault.startswith("bad_row: ") for record in records if record.fault)


def test_odd_annotations_and_paths_stop_no_other(mirror: Path) -> None:
    path = mirror / "metadata/000-000.json.gz"
    annotations = json.loads(gzip.decompress(path.read_bytes()))
    annotations[uid_of(0)] = None
    annotations[uid_of(2)] = "text"
    annotations[uid_of(4)] = {"name": 5, "tags": ["wood", None, {"name": None}], "categories": "x", "user": "Ann"}
    annotations[uid_of(6)] = {"name": "a\x07\nb" + "\ud800", "faceCount": "12", "likeCount": None, "license": 7}
    del annotations[uid_of(8)]
    write(path, annotations)
    paths = json.loads(gzip.decompress((mirror / "object-paths.json.gz").read_bytes()))
    paths[uid_of(10)] = "../../../etc/passwd"
    paths["an odd uid/.."] = "glbs/000-000/x.glb"
    paths[uid_of(1)] = None
    write(mirror / "object-paths.json.gz", paths)
    source = ObjaverseSource(root=mirror, annotations=AnnotationFilter(names=("object", "a", "")))
    records = {record.uid: record for record in source.list_objects()}
    faults = {int(uid, 16) for uid, record in records.items() if record.fault and uid != "an odd uid/.."}
    assert faults == {0, 1, 2, 8, 10} and len(records) == 13
    assert records[uid_of(6)].name.startswith("a b") and records[uid_of(4)].name == ""
    assert source.fetch(records[uid_of(3)])


def test_a_mesh_missing_in_the_mirror_is_a_row_for_the_ledger(mirror: Path) -> None:
    source = ObjaverseSource(root=mirror)
    record = source.list_objects()[0]
    next(mirror.glob(f"glbs/*/{record.uid}.glb")).unlink()
    with pytest.raises(AssetError, match="missing in the mirror"):
        source.fetch(record)


def test_settings_out_of_range() -> None:
    with pytest.raises(ConfigError, match="max_faces 5 let no object pass"):
        AnnotationFilter(min_faces=10, max_faces=5)
    with pytest.raises(ConfigError, match="num_tries 0"):
        ObjaverseSource(num_tries=0)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and counts what was asked for."""

    asked: Counter[str]

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def served(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Counter[str]]]:
    class Handler(Quiet):
        asked: Counter[str] = Counter()  # noqa: RUF012

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(mirror))) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", Handler.asked
        running.shutdown()
        thread.join()


def test_the_network_fills_the_cache_once(
    served: tuple[str, Counter[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    root = tmp_path / "cache"
    source = ObjaverseSource(root=root, download=True, url=served[0], uids=(uid_of(1), uid_of(3)))
    records = source.list_objects()
    assert [source.fetch(record)["model.glb"][4:].decode() for record in records] == [uid_of(1), uid_of(3)]
    asked = Counter(served[1])
    assert max(asked.values()) == 1 and "/metadata/000-000.json.gz" not in asked
    assert [source.fetch(record) for record in source.list_objects()] and asked == served[1]
    mirror_of_it = ObjaverseSource(root=root, uids=source.uids)
    assert mirror_of_it.list_objects() == records and mirror_of_it.fetch(records[0])


def test_no_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    source = ObjaverseSource(root=tmp_path / "cache", download=True, url="http://127.0.0.1:9", num_tries=1)
    with pytest.raises(SourceError, match=r"cannot be fetched .*refused.*set `root` to a mirror"):
        source.list_objects()


def test_real_mirror(shared_data: Path) -> None:
    source = ObjaverseSource(root=shared_data / "objaverse", captions=shared_data / "captions.json")
    records = source.list_objects()
    assert len(records) == 682 and len({record.category for record in records}) == 206
    assert {record.licence for record in records} >= {"CC0-1.0", "CC-BY-3.0"} and all(r.attribution for r in records)
    assert all(record.caption.startswith("A 3D model of ") and record.caption.endswith(".") for record in records)
    for record in records[::100]:
        content = source.fetch(record)["model.glb"]
        assert content[:4] == b"glTF" and int.from_bytes(content[8:12], "little") == len(content)
    cc0 = ObjaverseSource(root=shared_data / "objaverse", licences=("cc0",)).list_objects()
    assert {record.licence for record in cc0} == {"CC0-1.0"} and 0 < len(cc0) < 682
