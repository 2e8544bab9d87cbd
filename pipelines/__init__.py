"""The stages of the pipeline: one module a stage, run as `python -m pipelines.<stage> [item]`."""

import os
import shutil
import signal
import sys
from types import FrameType

from ltm3d.utf8 import use_utf8

# Set here because it must be in place before a stage's module imports torch, ray or mlflow. Two OpenMP threads on
# two shared cores spin against each other, so a process gets one; telemetry is off.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MPLBACKEND": "Agg",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONUTF8": "1",
}
if sys.argv[0] == "-m":  # python -m pipelines.STAGE
    use_utf8()
if shutil.which("nvidia-smi") is None:
    ENVIRONMENT["DS_ACCELERATOR"] = "cpu"
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)


def _leave_imports(number: int, frame: FrameType | None) -> None:
    """End at once where Ctrl-C comes while a stage still imports its libraries, which takes seconds; else raise."""
    inner = None
    while frame is not None and not (frame.f_globals.get("__name__") == "__main__" and "<module>" in str(frame.f_code)):
        inner, frame = frame, frame.f_back
    if inner is not None and inner.f_code.co_filename.startswith("<frozen importlib"):
        sys.stderr.write("stopped; the next run goes on from here\n")
        sys.stderr.flush()
        os._exit(130)  # an exception may be lost in what imports call
    raise KeyboardInterrupt


if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave_imports)
