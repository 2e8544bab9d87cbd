import json
import shutil
from pathlib import Path

import pytest
from mlflow_database import new_database
from tiny_bundle import make_tiny_bundle

from ltm3d.errors import ModelError
from ltm3d.generator.bundle import ShapeGenerator
from ltm3d.registry.registration import register_model, resolve_model
from ltm3d.registry.versions import RegisteredVersion, get_version_by_alias, read_card_json, set_alias
from ltm3d.tracking.client import experiment_id, open_client

NAME = "ltm3d-sdf"


def register(bundle: Path, tracking_uri: str, metrics: dict[str, float], artifacts: list[Path]) -> RegisteredVersion:
    client = open_client(tracking_uri)
    run = client.create_run(experiment_id(client, tracking_uri, "test")).info.run_id
    return register_model(
        bundle=bundle,
        name=NAME,
        metrics=metrics,
        tags={"protocol": "eval/v1", "git_dirty": "true"},
        artifacts=artifacts,
        tracking_uri=tracking_uri,
        run=run,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("model") / "bundle")


@pytest.fixture(scope="module")
def registered(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RegisteredVersion]:
    """A tracking URI, and the one version in it."""
    folder = tmp_path_factory.mktemp("registry")
    tracking_uri = new_database(folder)
    card = folder / "per_asset.json"
    card.write_text(json.dumps({"image/generated/chamfer_l1": {"a": 0.5}}))
    metrics = {"image/generated/chamfer_l1": 0.1, "image/generated/f_score_at_0.02": 1 / 3}
    return tracking_uri, register(bundle, tracking_uri, metrics, [card])


def test_a_version_carries_metrics_tags_and_files(registered: tuple[str, RegisteredVersion]) -> None:
    tracking_uri, version = registered
    assert version.uri == f"models:/{NAME}/1"
    assert version.metrics == {"image/generated/chamfer_l1": 0.1, "image/generated/f_score_at_0.02": 1 / 3}
    assert version.tags["protocol"] == "eval/v1" and version.tags["git_dirty"] == "true"
    assert read_card_json(version, "per_asset.json", tracking_uri) == {"image/generated/chamfer_l1": {"a": 0.5}}
    assert read_card_json(version, "none.json", tracking_uri) is None
    assert get_version_by_alias(NAME, "challenger", tracking_uri) == version
    assert get_version_by_alias(NAME, "champion", tracking_uri) is None


def test_nothing_in_a_version_is_pickled_and_all_of_it_is_named(registered: tuple[str, RegisteredVersion]) -> None:
    bundle = resolve_model(f"models:/{NAME}/1", registered[0])
    model = bundle.parents[1]
    suffixes = {path.suffix for path in model.rglob("*") if path.is_file()}
    assert suffixes <= {"", ".json", ".safetensors", ".py", ".yaml", ".txt", ".js", ".css", ".html"}
    assert "torch==" in (model / "requirements.txt").read_text()
    assert (model / "code" / "ltm3d" / "generator" / "bundle.py").is_file()


def test_a_model_is_found_by_alias_version_and_folder(registered: tuple[str, RegisteredVersion], bundle: Path) -> None:
    tracking_uri, _ = registered
    by_alias = resolve_model(f"models:/{NAME}@challenger", tracking_uri)
    assert by_alias == resolve_model(f"models:/{NAME}/1", tracking_uri)
    mesh, again = (
        ShapeGenerator.load(folder).generate(image=None, text="a red chair", seed=3) for folder in (by_alias, bundle)
    )
    assert (mesh.vertices == again.vertices).all()
    assert resolve_model(str(bundle), tracking_uri) == bundle


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"models:/{NAME}@champion", f"{NAME} (challenger = version 1): `ltm3d promote` makes"),
        (f"models:/{NAME}/7", "there is no model"),
        ("models:/other/1", f"{NAME} (challenger = version 1)"),
        ("models:/other", "write models:/NAME@ALIAS"),
        ("/nowhere", "holds no bundle.json"),
    ],
)
def test_an_unknown_model_is_one_line_that_says_what_there_is(
    registered: tuple[str, RegisteredVersion], address: str, expected: str
) -> None:
    with pytest.raises(ModelError, match=r"^[^\n]*$") as caught:
        resolve_model(address, registered[0])
    assert expected in str(caught.value)


def test_a_server_that_is_not_there_is_one_line(bundle: Path) -> None:
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9"):
        resolve_model(f"models:/{NAME}@champion", "http://127.0.0.1:9")


@pytest.mark.slow
def test_one_version_for_each_distinct_model(bundle: Path, tmp_path: Path, tracking_uri: str) -> None:
    first = register(bundle, tracking_uri, {"cd": 0.2, "old": 1.0}, [])
    same = register(bundle, tracking_uri, {"cd": 0.1}, [])
    assert (same.version, same.metrics) == (first.version, {"cd": 0.1})
    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    settings = json.loads((other / "bundle.json").read_text())
    settings["sampling"]["guidance_scale"] = 5.0
    (other / "bundle.json").write_text(json.dumps(settings))
    second = register(other, tracking_uri, {"cd": 0.3}, [])
    assert second.version != first.version
    assert get_version_by_alias(NAME, "challenger", tracking_uri) == second
    set_alias(NAME, "champion", first.version, tracking_uri)
    register(bundle, tracking_uri, {"cd": 0.1}, [])
    champion = get_version_by_alias(NAME, "champion", tracking_uri)
    assert champion is not None and champion.version == first.version


def test_files_that_are_others_or_gone_are_told_from_no_model(bundle: Path, tmp_path: Path, tracking_uri: str) -> None:
    version = register(bundle, tracking_uri, {"cd": 0.2}, [])
    stored = resolve_model(version.uri, tracking_uri)
    encoder = stored / "condition_encoder" / "model.safetensors"
    content = encoder.read_bytes()
    encoder.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="not those that were registered"):
        resolve_model(version.uri, tracking_uri)
    shutil.rmtree(stored)
    with pytest.raises(ModelError, match=r"is registered, but its files are gone.*ltm3d restore"):
        resolve_model(version.uri, tracking_uri)
    again = register(bundle, tracking_uri, {"cd": 0.2}, [])
    assert again.version == "2", "a version without files is not the model that is registered again"
    assert resolve_model(again.uri, tracking_uri).is_dir()


def test_what_is_no_bundle_is_not_registered(tmp_path: Path, tracking_uri: str) -> None:
    with pytest.raises(ModelError, match=r"bundle\.json"):
        register(tmp_path, tracking_uri, {}, [])
