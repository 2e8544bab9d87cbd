from pathlib import Path

import pytest
from gallery_items import make_items
from mlflow_database import new_database
from tiny_bundle import make_tiny_bundle

from ltm3d.cli import app
from ltm3d.registry.registration import register_model
from ltm3d.serving.gallery import GalleryPictures, GalleryWords, write_gallery
from ltm3d.serving.pages import read_page_data
from ltm3d.tracking.run import stage_run


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "gallery" / "sdf"
    pictures = GalleryPictures(num_frames=1, resolution=16)
    write_gallery(folder, make_items(), words=GalleryWords(title="x"), pictures=pictures)
    return folder


def run(*arguments: str) -> str:
    with pytest.raises(SystemExit) as raised:
        app.main(["compare", *arguments])
    return str(raised.value.code or "")


def test_two_folders_by_name(gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page"
    assert run(f"before={gallery}", f"after={gallery}", "--out", str(out)) == ""
    assert f"{out / 'index.html'}" in capsys.readouterr().out
    assert read_page_data(out)["versions"] == ["before", "after"]
    assert "exists; name a new folder" in run(f"before={gallery}", f"after={gallery}", "--out", str(out))


def test_no_registry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "mlflow.db does not exist" in run("champion", "challenger", "--out", "page")


@pytest.mark.slow
def test_the_galleries_of_registered_versions(gallery: Path, tmp_path: Path) -> None:
    tracking_uri = new_database(tmp_path)
    with stage_run(
        name="register", experiment="ltm3d", tracking_uri=tracking_uri, params={}, tags={}, state_dir=tmp_path
    ) as tracker:
        tracker.log_artifact(gallery, "gallery")
        tracker.flush()
        assert tracker.run_id is not None
        register_model(
            bundle=make_tiny_bundle(tmp_path / "bundle"),
            name="ltm3d-sdf",
            metrics={},
            tags={},
            artifacts=[],
            tracking_uri=tracking_uri,
            run=tracker.run_id,
        )
    asked = ["challenger", f"mine={gallery}", "--tracking-uri", tracking_uri]
    assert run(*asked, "--out", str(tmp_path / "page")) == ""
    assert read_page_data(tmp_path / "page")["versions"] == ["challenger (version 1)", "mine"]
    refused = run("champion", *asked[1:], "--out", str(tmp_path / "none"))
    assert "no version with the alias champion" in refused
