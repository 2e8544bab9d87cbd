from pathlib import Path

import pytest
from mlflow_database import new_database
from tiny_bundle import make_tiny_bundle

from ltm3d.errors import ModelError
from ltm3d.nn.weights import weights_hash
from ltm3d.registry.registration import register_model
from ltm3d.tracking.client import experiment_id, open_client
from pipelines._training import find_weights


def test_a_warm_start_is_found_in_a_model_folder_a_bundle_or_the_registry(tmp_path: Path) -> None:
    bundle, uri = make_tiny_bundle(tmp_path / "bundle"), new_database(tmp_path)
    client = open_client(uri)
    run = client.create_run(experiment_id(client, uri, "test")).info.run_id
    register_model(bundle=bundle, name="ltm3d-sdf", metrics={}, tags={}, artifacts=[], tracking_uri=uri, run=run)
    expected = weights_hash(bundle / "generator")
    for address in (str(bundle / "generator"), str(bundle), "models:/ltm3d-sdf@challenger", "models:/ltm3d-sdf/1"):
        folder = find_weights(address, "generator", uri)
        assert folder.is_absolute() and weights_hash(folder) == expected
    assert weights_hash(find_weights(str(bundle), "tokenizer", uri)) == weights_hash(bundle / "tokenizer")
    with pytest.raises(ModelError, match="there is no model"):
        find_weights("models:/ltm3d-sdf/7", "generator", uri)
