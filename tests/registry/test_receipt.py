"""Receipts against a registry that has, has not, or does not answer."""

import json
import logging
from pathlib import Path

import pytest
from mlflow_database import new_database
from small_registry import Registry

from ltm3d.registry.receipt import registry_mark
from ltm3d.registry.versions import REMOVED_TAG, get_version_by_alias, set_version_tag


@pytest.mark.slow
def test_a_mark_stays_while_the_version_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry(tmp_path, new_database(tmp_path))
    receipt = tmp_path / "sdf.json"
    assert registry_mark(receipt, "before", registry.uri) == "before", "nothing was registered yet"
    receipt.write_text("{}")
    assert registry_mark(receipt, "before", registry.uri) == "before"
    number = registry.add([0.1])
    version = get_version_by_alias(registry.name, "challenger", registry.uri)
    assert version is not None
    content = {"model": registry.name, "version": number, "weights_hash": version.tags["weights_hash"]}
    receipt.write_text(json.dumps(content))
    assert registry_mark(receipt, "before", registry.uri) == "before"
    with caplog.at_level(logging.INFO):
        elsewhere = registry_mark(receipt, "before", f"sqlite:///{tmp_path}/other.db")
    assert elsewhere != "before" and "is registered again" in caplog.text
    assert registry_mark(receipt, elsewhere, registry.uri) == elsewhere
    assert registry_mark(receipt, "before", "http://127.0.0.1:9") == "before", "a server that does not answer"
    assert "it is not known" in caplog.text
    set_version_tag(version, REMOVED_TAG, "2026-01-01", registry.uri)
    assert registry_mark(receipt, "before", registry.uri) != "before", "its weights were removed"
