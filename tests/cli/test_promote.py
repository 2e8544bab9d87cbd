"""`ltm3d promote` up to the registry; with one it is run in tests/evaluation/test_promotion.py."""

from pathlib import Path

import pytest
from mlflow_database import new_database

from ltm3d.cli import app


def test_no_registry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as raised:
        app.main(["promote"])
    assert str(raised.value.code).startswith("error: mlflow.db does not exist")
    assert not list(tmp_path.iterdir())


def test_the_models_name_is_made_of_the_representation(tmp_path: Path) -> None:
    uri = new_database(tmp_path)
    with pytest.raises(SystemExit, match="model ltm3d-mesh has no challenger"):
        app.main(["promote", "--representation", "mesh", "--tracking-uri", uri])
    with pytest.raises(SystemExit, match="model other has no champion"):
        app.main(["promote", "other", "--rollback", "--tracking-uri", uri])
