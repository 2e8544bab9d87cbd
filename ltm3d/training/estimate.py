"""What a training takes, before it runs: memory of a worker, and disk.

P trainable parameters in fp32 (4 bytes a number), W workers. What a worker holds beside
activations (Rajbhandari et al. 2020, section 3, for weights in fp32 as ours are):

    stage            parameters   master copy   gradients   AdamW's moments   moving average
    plain torch, 0   P            –             P           2 P               P (worker 0)
    1                P            P / W         P           2 P / W           P / W
    2                P            P / W         P / W       2 P / W           P / W
    3                P / W        P / W         P / W       2 P / W           P / W

and, from stage 2, one bucket of gradients on their way.
"""

BYTES = 4  # of a parameter, a gradient, a moment
BUCKET = 500_000_000  # DeepSpeed's reduce_bucket_size, numbers


def state_bytes(num_parameters: int, *, world_size: int, zero_stage: int | None) -> dict[str, float]:
    """Return what a worker holds beside activations, in both memories, by kind; worker 0, where they differ.

    `bucket` is gradients on their way, on a GPU.
    """
    stage = zero_stage or 0

    def shared(since: int) -> float:
        return BYTES * num_parameters / (world_size if stage >= since else 1)

    return {
        "parameters": shared(3),
        "master": shared(1) if stage else 0.0,
        "gradients": shared(2),
        "moments": 2 * shared(1),
        "average": shared(1),
        "bucket": float(BYTES * BUCKET) if stage >= 2 else 0.0,
    }


def disk_bytes(
    num_parameters: int, *, num_buffer_bytes: int = 0, keep: int, has_average: bool, has_best: bool = False
) -> tuple[int, int]:
    """Return the bytes of one checkpoint, and of all that a run writes, at most.

    A checkpoint holds weights and buffers, AdamW's two moments and the moving average. At once there are those that are
    kept, the best and one being written; and files of weights: what is used, what was averaged, the best, and one being
    written.
    """
    whole = BYTES * num_parameters
    weights = whole + num_buffer_bytes
    checkpoint = weights + whole * (3 if has_average else 2)
    return checkpoint, (keep + 2) * checkpoint + (2 + has_average + has_best) * weights
