from pathlib import Path

import pytest
from mlflow_database import new_database


@pytest.fixture
def tracking_uri(tmp_path: Path) -> str:
    """An MLflow back end of the test's own."""
    return new_database(tmp_path)
