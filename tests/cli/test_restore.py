"""`ltm3d restore` up to the registry; behind it, it is run in tests/registry/test_restoration.py."""

from pathlib import Path

import pytest

from ltm3d.cli import app


def test_no_registry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^error: .*mlflow\.db does not exist"):
        app.main(["restore", "models:/ltm3d-sdf/1", "--to", "new"])
    assert not list(tmp_path.iterdir())
