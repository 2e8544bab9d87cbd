import shutil
import tempfile
from collections.abc import Iterator

import pytest

from ltm3d.training.launch import TrainingResult


@pytest.fixture(scope="package")
def ray_session() -> Iterator[None]:
    """A Ray of these tests alone; sockets want a short path."""
    ray = pytest.importorskip("ray")
    folder = tempfile.mkdtemp(prefix="ltm3d-", dir="/tmp")
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=100_000_000,
        include_dashboard=False,
        logging_level="WARNING",
        _temp_dir=folder,
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def undisturbed(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run nobody disturbs; what it trained on is in `reads` beside its weights."""
    from ray_runs import train_toy

    folder = tmp_path_factory.mktemp("undisturbed")
    return train_toy(folder, reads=folder / "reads")
