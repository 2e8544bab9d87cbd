"""The stages of the pipeline: one module a stage, run as `python -m pipelines.<stage> [item]`."""

import os
import shutil

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
}
if shutil.which("nvidia-smi") is None:
    ENVIRONMENT["DS_ACCELERATOR"] = "cpu"
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
