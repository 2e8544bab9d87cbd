"""How DeepSpeed is set up and imported: ZeRO with torch's AdamW, on GPUs and on CPUs without compiling anything."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ltm3d.training.config import TrainingConfig, micro_batch_size

logger = logging.getLogger(__name__)


def deepspeed_config(config: TrainingConfig, world_size: int, device: torch.device) -> dict[str, Any]:
    """Return DeepSpeed's settings for a run; stage 0 clips outside of it (`clip_or_skip`)."""
    stage = config.zero_stage
    micro = micro_batch_size(config, world_size)
    return {
        "train_batch_size": config.global_batch_size,
        "train_micro_batch_size_per_gpu": micro,
        "gradient_accumulation_steps": config.global_batch_size // world_size // micro,
        "gradient_clipping": 0.0 if stage == 0 else config.grad_clip or 1e30,  # 0 would leave out the norm, too
        "zero_optimization": {
            "stage": stage,
            # On a CPU one all-reduce of the gradients where they are: 83 ms a step instead of 111 (3 M parameters).
            "contiguous_gradients": device.type != "cpu" or stage == 3,
            "reduce_scatter": device.type != "cpu" or stage == 3,
            **_offload(config.offload, pin_memory=device.type != "cpu"),
        },
        "zero_force_ds_cpu_optimizer": False,  # torch's fused AdamW on the CPU compiles nothing
        "steps_per_print": sys.maxsize,
    }


def _offload(what: str, *, pin_memory: bool) -> dict[str, Any]:
    place = {"device": "cpu", "pin_memory": pin_memory}
    parts = {"none": (), "optimizer": ("optimizer",), "parameters": ("optimizer", "param")}[what]
    return {f"offload_{part}": place for part in parts}


def import_deepspeed(device: torch.device) -> Any:
    """Import DeepSpeed for a device, without what would slow down or hang its start.

    - mlflow, imported for the autotuner if there is one: 2 s a worker.
    - The kernels of the Muon optimizer: they go through torch.compile even if they are not used, 2 s a worker.
    - On a CPU a shared-memory all-reduce compiled at the first start: 44 s, and a lock that stays for ever
      if killed meanwhile.
    """
    on_cpu = device.type == "cpu"
    if on_cpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("DEEPSPEED_LOG_LEVEL", "WARNING")
    with _entry(sys.modules, "mlflow", sys.modules.get("mlflow")):
        import deepspeed
        import deepspeed.ops
    try:
        from deepspeed.runtime import compiler

        with _entry(vars(compiler), "compile", lambda: lambda function: function):
            import deepspeed.runtime.zero.muon.muon_optimizer
        if on_cpu:
            vars(deepspeed.ops)["__compatible_ops__"] = {}  # else found out by compiling probes
    except (ImportError, AttributeError, TypeError) as error:
        logger.warning("this DeepSpeed is laid out otherwise (%s); its start may take minutes", error)
    return deepspeed


@contextmanager
def _entry(table: dict[str, Any], name: str, value: Any) -> Iterator[None]:
    """Set an entry of a table for the body, then put back what was there."""
    absent = object()
    before = table.get(name, absent)
    table[name] = value
    try:
        yield
    finally:
        if before is absent:
            del table[name]
        else:
            table[name] = before
