from pathlib import Path

import pytest

from ltm3d.errors import ModelError
from ltm3d.registry.versions import METRIC_TAG, RegisteredVersion, answering, get_version_by_alias, list_versions
from ltm3d.tracking.client import open_client


def test_metrics_are_tags_with_a_prefix() -> None:
    version = RegisteredVersion(name="m", version="3", run_id="r", tags={f"{METRIC_TAG}cd": "0.1", "protocol": "p"})
    assert version.metrics == {"cd": 0.1} and version.uri == "models:/m/3"


def test_versions_are_listed_newest_first_and_found_by_alias(tracking_uri: str, tmp_path: Path) -> None:
    client = open_client(tracking_uri)
    client.create_registered_model("m")
    for _ in range(11):
        client.create_model_version("m", source=str(tmp_path))
    client.set_registered_model_alias("m", "champion", "2")
    assert [version.version for version in list_versions(client, "m")] == [str(n) for n in range(11, 0, -1)]
    champion = get_version_by_alias("m", "champion", tracking_uri)
    assert champion is not None and champion.version == "2"
    assert get_version_by_alias("m", "challenger", tracking_uri) is None
    assert get_version_by_alias("other", "champion", tracking_uri) is None


def test_a_dead_server_is_one_line() -> None:
    expected = r"^MLflow at http://127\.0\.0\.1:9 .*check the tracking URI$"
    with pytest.raises(ModelError, match=expected), answering("http://127.0.0.1:9") as client:
        client.get_registered_model("m")
