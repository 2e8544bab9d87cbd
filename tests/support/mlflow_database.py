"""MLflow on real sqlite files: the tables, which take seconds to make, are made once a test run and copied."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from ltm3d.tracking.client import open_client


@cache
def _empty_database() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ltm3d-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    open_client(f"sqlite:///{folder / 'empty.db'}").search_experiments()
    return folder / "empty.db"


def new_database(folder: Path) -> str:
    """Put an MLflow database without runs into a folder and return its tracking URI."""
    shutil.copyfile(_empty_database(), folder / "mlflow.db")
    return f"sqlite:///{folder / 'mlflow.db'}"
