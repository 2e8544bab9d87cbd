"""`ltm3d evaluate` on files, through the child process that reads them."""

import json
import shutil
from pathlib import Path

import pytest
from shapes import box, sphere

from ltm3d.cli import app
from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.writing import write_mesh
from ltm3d.transforms.isolation import stop_children


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two true shapes, a good prediction of one and a cut file for the other."""
    for name, mesh in (("ball", sphere(0.8)), ("box", box())):
        for folder in ("true", "theirs"):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_mesh(mesh, tmp_path / folder / f"{name}.glb")
    cut = tmp_path / "theirs" / "box.glb"
    cut.write_bytes(cut.read_bytes()[:300])
    return tmp_path


def run(arguments: list[str]) -> object:
    with pytest.raises(SystemExit) as raised:
        app.main(["evaluate", *arguments])
    return raised.value.code or 0


@pytest.mark.slow
def test_the_table_is_printed_and_the_report_written(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--pred", str(folders / "theirs"), "--truth", str(folders / "true")]
    files = ["--out", str(folders / "report.json"), "--write-test-set", str(folders / "two.json")]
    assert run([*places, *files, "--points", "1000", "--emd", "--sets", "emd"]) == 0
    out = capsys.readouterr().out
    assert "two.json: test set two, 2 shapes" in out
    assert "protocol eval/v1, test set two, frame as_is, compared as meshes: 2 true shapes, 1 failed" in out
    assert "failed: box: parse_error" in out
    report = json.loads((folders / "report.json").read_text())
    assert report["metrics"]["emd"]["num_assets"] == 2 and report["sets"]["num_shapes"] == 2
    assert {"mmd_cd", "cov_cd", "1nna_cd", "mmd_emd", "cov_emd", "1nna_emd"} < report["sets"].keys()
    assert report["assets"]["ball"]["volume_iou"] > 0.99 and report["assets"]["box"]["volume_iou"] == 0


@pytest.mark.slow
def test_a_file_that_takes_too_much_is_a_failure(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1,300,000 faces with 64 MB beyond what the child holds once it has its libraries."""
    (folders / "true" / "box.glb").unlink()
    places = ["--pred", str(folders / "theirs"), "--truth", str(folders / "true"), "--sets", "none"]
    try:
        assert run([*places, "--points", "1000"]) == 0
        write_mesh(sphere(0.8, subdivisions=8), folders / "theirs" / "ball.glb")
        assert run([*places, "--points", "1000", "--memory", "64"]) == 0
    finally:
        stop_children()
    assert "1 true shapes, 1 failed\n  failed: ball: out_of_memory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pred", "none", "--truth", "true"], "error: there is no folder none"),
        (["--pred", "theirs", "--truth", "empty"], "error: empty holds no files"),
        (["--pred", "theirs", "--truth", "true", "--points", "5"], "error: num_points is 5; use 100"),
        (["--pred", "theirs", "--truth", "true", "--timeout", "0"], "error: timeout_s is 0"),
        (["--pred", "theirs", "--truth", "true", "--test-set", "none.json"], "error: none.json is no test set"),
        (
            ["--pred", "theirs", "--truth", "true", "--write-test-set", "true"],
            "error: --write-test-set true: give",
        ),
        (["--pred", "theirs", "--truth", "true", "--out", "no/where.json"], "error: --out no/where.json"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    folders: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders)
    Path("empty").mkdir()
    code = str(run(arguments))
    assert code.startswith(message) and "\n" not in code


@pytest.mark.slow
def test_real_meshes_moved_a_little_are_close(shared_data: Path, tmp_path: Path) -> None:
    from ltm3d.geometry.normalize import normalize
    from ltm3d.mesh_io.loading import load_mesh

    true, predicted = tmp_path / "true", tmp_path / "predicted"
    true.mkdir()
    predicted.mkdir()
    for path in sorted((shared_data / "objaverse").rglob("*.glb"))[:6]:
        shutil.copy(path, true)
        mesh, _ = normalize(load_mesh(path))
        write_mesh(Mesh(mesh.vertices + 0.01, mesh.faces), predicted / path.with_suffix(".ply").name)
    report = tmp_path / "report.json"
    places = ["--pred", str(predicted), "--truth", str(true), "--out", str(report), "--points", "5000"]
    assert run([*places, "--frame", "normalize"]) == 0
    document = json.loads(report.read_text())
    assert document["num_failures"] == 0 and document["metrics"]["volume_iou"]["mean"] > 0.9
    assert document["sets"]["cov_cd"] == 1 and document["sets"]["1nna_cd"] == 0
