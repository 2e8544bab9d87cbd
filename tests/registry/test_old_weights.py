"""Old weights in a real registry."""

import shutil
from pathlib import Path

import pytest
from mlflow_database import new_database
from small_registry import NAME, Registry

from ltm3d.errors import ModelError
from ltm3d.registry import old_weights as leftovers
from ltm3d.registry.logged_model import log_bundle
from ltm3d.registry.old_weights import find_old_weights, remove_weights
from ltm3d.registry.registration import find_version, resolve_model
from ltm3d.registry.versions import set_alias
from ltm3d.tracking.client import experiment_id, open_client


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_weights_without_an_alias_go_and_what_they_were_made_of_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = new_database(tmp_path)
    registry = Registry(tmp_path, uri)
    first, second, third, newest = (registry.add([0.1 * n]) for n in range(1, 5))
    set_alias(NAME, "champion", second, uri)
    client = open_client(uri)
    gallery = tmp_path / "gallery" / "assets"
    gallery.mkdir(parents=True)
    (gallery / "item.js").write_bytes(bytes(1_000_000))
    old_run = find_version(f"models:/{NAME}/{first}", uri).run_id
    client.log_artifacts(old_run, str(tmp_path / "gallery"), "gallery")
    run = client.create_run(experiment_id(client, uri, "ltm3d")).info.run_id
    orphan = log_bundle(registry.first, tracking_uri=uri, run=run).rpartition("/")[2]

    kept = {f"models:/{NAME}/{third}"}
    (old,) = find_old_weights(uri, keep=1, kept_uris=kept)
    assert old.version is not None and old.version.version == first and 1_010_000 < old.size < 2_000_000
    assert find_old_weights(uri, keep=4) == [], "weights that were just logged may be on their way"
    monkeypatch.setattr(leftovers, "SETTLED_S", -1.0)
    assert [each.model_id for each in find_old_weights(uri, keep=4)] == [orphan]

    assert all(remove_weights(each, uri) for each in find_old_weights(uri, keep=1, kept_uris=kept))
    assert find_old_weights(uri, keep=1, kept_uris=kept) == []
    with pytest.raises(ModelError, match=r"removed by `ltm3d gc` on 20.*ltm3d restore"):
        resolve_model(f"models:/{NAME}/{first}", uri)
    assert [item.path for item in client.list_artifacts(old_run)] == ["model_card"]
    assert find_version(f"models:/{NAME}/{first}", uri).metrics == {"cd": 0.1, "mean_cd": 0.5}
    for version in (second, third, newest):
        assert (resolve_model(f"models:/{NAME}/{version}", uri) / "bundle.json").is_file()

    (late,) = find_old_weights(uri, keep=1)
    set_alias(NAME, "champion", third, uri)
    assert not remove_weights(late, uri), "it became champion meanwhile"
    again = registry.register(tmp_path / "bundle-1", {"cd": 0.1}, {}, tmp_path / "card-1")
    assert again == str(int(newest) + 1), "the same model again is a version with weights"
    shutil.rmtree(tmp_path / "bundle-1")
