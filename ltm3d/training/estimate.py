"""What a training takes, before it runs: memory of a worker, network, disk, steps and hours.

P trainable parameters in fp32 (4 bytes a number), W workers, g micro-batches a step. What a worker holds beside
activations (Rajbhandari et al. 2020, section 3, for weights in fp32 as ours are):

    stage            parameters   master copy   gradients   AdamW's moments   moving average
    plain torch, 0   P            –             P           2 P               P (worker 0)
    1                P            P / W         P           2 P / W           P / W
    2                P            P / W         P / W       2 P / W           P / W
    3                P / W        P / W         P / W       2 P / W           P / W

and, from stage 2, one bucket of gradients on their way. What a worker sends in a step, with s = (W − 1) / W:

    0: 2 s P      1: s P + s P      2: g s P + s P      3: g (2 s P + s P)
"""

import math
from dataclasses import dataclass

from ltm3d.training.config import check_offload

BYTES = 4  # of a parameter, a gradient, a moment
BUCKET = 500_000_000  # DeepSpeed's reduce_bucket_size, numbers


@dataclass(frozen=True, kw_only=True)
class StateBytes:
    """What one worker holds beside activations, bytes.

    Attributes:
        bucket: gradients on their way; on a GPU from stage 2.
        offloaded: how much of the sum lies in the host's memory.
    """

    parameters: float
    master: float
    gradients: float
    moments: float
    average: float
    bucket: float
    offloaded: float

    @property
    def total(self) -> float:
        """Of both memories."""
        return self.parameters + self.master + self.gradients + self.moments + self.average + self.bucket

    @property
    def on_device(self) -> float:
        """What stays beside the activations."""
        return self.total - self.offloaded


def state_bytes(
    num_parameters: int, *, world_size: int, zero_stage: int | None, offload: str = "none", has_average: bool = True
) -> StateBytes:
    """Return what a worker holds beside activations; worker 0, where they differ.

    Raises:
        ConfigError: there is no such stage, or not with this offload.
    """
    check_offload(zero_stage, offload)
    whole, stage = BYTES * float(num_parameters), zero_stage or 0
    part = whole / world_size
    parameters = part if stage == 3 else whole
    master = part if stage else 0.0
    gradients = part if stage >= 2 else whole
    moments = 2 * (part if stage else whole)
    offloaded = 0.0
    if offload != "none":
        offloaded = master + moments + (part if stage >= 2 else 0.0) + (parameters if offload == "parameters" else 0.0)
    return StateBytes(
        parameters=parameters,
        master=master,
        gradients=gradients,
        moments=moments,
        average=(part if stage else whole) if has_average else 0.0,
        bucket=float(BYTES * BUCKET) if stage >= 2 else 0.0,
        offloaded=offloaded,
    )


def sent_bytes(num_parameters: int, *, world_size: int, zero_stage: int | None, num_micro_batches: int = 1) -> float:
    """Return what a worker sends in one step, bytes."""
    check_offload(zero_stage, "none")
    whole = BYTES * num_parameters * (world_size - 1) / world_size
    passes = {0: 2, 1: 2, 2: num_micro_batches + 1, 3: 3 * num_micro_batches}[zero_stage or 0]
    return passes * whole


def steps_of(num_assets: int, *, epochs: float, global_batch_size: int) -> int:
    """Return the steps in which every asset is seen `epochs` times."""
    return math.ceil(num_assets * epochs / global_batch_size)


@dataclass(frozen=True, kw_only=True)
class DiskBytes:
    """What a run writes.

    Attributes:
        checkpoint: one: weights and buffers, AdamW's two moments, the moving average.
        checkpoints: all at once: those that are kept, the best and one being written.
        weights: files of weights: what is used, what was averaged, the best, and one being written.
    """

    checkpoint: float
    checkpoints: float
    weights: float


def disk_bytes(
    num_parameters: int, *, num_buffer_bytes: int = 0, keep: int, has_average: bool, has_best: bool = False
) -> DiskBytes:
    """Return what a run writes, at most."""
    whole = BYTES * float(num_parameters)
    state = whole + num_buffer_bytes
    checkpoint = state + whole * (3 if has_average else 2)
    weights = state * (2 + has_average + has_best)
    return DiskBytes(checkpoint=checkpoint, checkpoints=(keep + 2) * checkpoint, weights=weights)


def samples_per_second(flops_a_sample: float, *, peak_tflops: float, utilisation: float, recomputes: bool) -> float:
    """Return the rate of one device whose units do useful work for a share of the time.

    rate = utilisation · peak / (f · r): f operations a sample, forward and backward, r = 4 / 3 where blocks run twice
    """
    return utilisation * peak_tflops * 1e12 / (flops_a_sample * (4 / 3 if recomputes else 1))
