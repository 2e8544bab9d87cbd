"""MLflow on real sqlite files; the tables are made once and copied."""

import shutil
from pathlib import Path

import pytest

from ltm3d.tracking.client import open_client


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs; making its tables takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    open_client(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def tracking_uri(tmp_path: Path, empty_database: Path) -> str:
    """An MLflow back end of the test's own."""
    shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"
