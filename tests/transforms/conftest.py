import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ltm3d.transforms.isolation import stop_children


@pytest.fixture(scope="module", autouse=True)
def no_children_left() -> Iterator[None]:
    """Stop the child process that `run_isolated` keeps."""
    yield
    stop_children()


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    """One small Ray for all tests of this package."""
    import ray

    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # short: Ray's socket paths have a limit
    root = Path(__file__).parents[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        ray.init(
            address="local",
            num_cpus=2,
            object_store_memory=150_000_000,
            include_dashboard=False,
            logging_level="WARNING",
            log_to_driver=False,
            _temp_dir=folder,
            runtime_env={"env_vars": {"PYTHONPATH": f"{root}:{root / 'tests/support'}"}},
        )
        yield
        ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)
