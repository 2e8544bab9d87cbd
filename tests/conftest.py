"""What all tests share: a quiet environment, shapes checked at run time, the real meshes."""

import os

# Before torch, ray, mlflow or dvc are imported anywhere.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "DS_ACCELERATOR": "cpu",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MPLBACKEND": "Agg",
}
os.environ.update(ENVIRONMENT)
os.environ.pop("RAY_ADDRESS", None)

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("ltm3d", "shape_checks.check")

import shutil  # noqa: E402
import tempfile  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
from lanes import Lanes, in_order  # noqa: E402
from needs import needs_of  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("LTM3D_TEST_DATA") or REPOSITORY / "../shared/data").resolve()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def small_ray(repository: Path) -> Iterator[None]:
    """The one Ray of this process's tests: a driver has one at a time."""
    ray = pytest.importorskip("ray")
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # short: Ray's socket paths have a limit
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=150_000_000,
        include_dashboard=False,
        logging_level="WARNING",
        log_to_driver=False,
        _temp_dir=folder,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([str(repository), str(repository / "tests/support")])}},
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tracking_uri(tmp_path: Path) -> str:
    """An MLflow back end of the test's own."""
    from mlflow_database import new_database

    return new_database(tmp_path)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real meshes: `objaverse/`, `shapenet/`, `captions.json`; skips where it is absent."""
    if not (SHARED_DATA / "shapenet").is_dir():
        pytest.skip(f"no real meshes at {SHARED_DATA}: set LTM3D_TEST_DATA")
    return SHARED_DATA


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need, order them for pytest-xdist, and skip GPU tests where there is none."""
    for item in items:
        for need in needs_of(item):
            item.add_marker(need)
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.data)
        if item.get_closest_marker("gpu"):
            import torch

            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
    if "PYTEST_XDIST_WORKER" in os.environ:
        items[:] = in_order(items)


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes:
    """Share out whole lanes."""
    return Lanes(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line how many tests on real meshes ran and how many were skipped."""
    counts = Counter(
        outcome
        for outcome in ("passed", "failed", "skipped")
        for report in terminalreporter.stats.get(outcome, [])
        if "data" in getattr(report, "keywords", ()) and report.when in ("call", "setup")
    )
    if counts:
        terminalreporter.write_line(
            f"tests on real meshes ({SHARED_DATA}): {counts['passed']} passed, {counts['failed']} failed, "
            f"{counts['skipped']} skipped"
        )
