"""What all workers do together about checkpoints: write one, find the newest sound one, ask the disk for room."""

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError
from torch import nn

from ltm3d.durability import durable_writing
from ltm3d.errors import StorageError
from ltm3d.nn.weights import WEIGHTS_FILE
from ltm3d.training.checkpoints import files
from ltm3d.training.config import TrainingConfig
from ltm3d.training.estimate import BYTES, disk_bytes
from ltm3d.training.loop import DistContext

logger = logging.getLogger(__name__)

# What a full disk raises: torch and safetensors have names of their own for it.
WRITE_ERRORS = (OSError, RuntimeError, SafetensorError)


def save_checkpoint(
    folder: Path,
    write: Callable[[Path], None],
    *,
    context: DistContext,
    run: str,
    step: int,
    engine: str,
    validation_loss: float | None,
    keep: int,
) -> bool:
    """Write a checkpoint, commit it and remove older ones; where one worker cannot write its part, none of it stays.

    Args:
        folder: a new one, on storage that all workers share.
        write: fills it with this worker's files; must not wait for other workers.
        keep: how many of the newest stay; the one of the lowest validation loss stays, too.

    Returns:
        Whether the checkpoint counts; the training can go on in both cases: a full disk may have room the next time.

    Raises:
        StorageError: on all workers: no checkpoint will ever count here, as the file system does not keep what is
            written.
    """
    problem, is_unable, digests = "", False, {}
    try:
        with durable_writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            write(folder)
    except (StorageError, *WRITE_ERRORS) as error:
        problem, is_unable = f"worker {context.rank}: {error}", isinstance(error, StorageError)
    # Until all have written, the folder may hold a file under a passing name, as safetensors writes it.
    if not any(context.gather(problem)):
        try:
            digests = files.digest_files(folder, rank=context.rank, world_size=context.world_size)
        except (StorageError, *WRITE_ERRORS) as error:
            problem, is_unable = f"worker {context.rank}: {error}", isinstance(error, StorageError)
    parts = context.gather((problem, is_unable, digests))
    problem, is_unable = "; ".join(part[0] for part in parts if part[0]), any(part[1] for part in parts)
    if context.rank == 0 and not problem:
        record = files.Commit(
            run=run,
            step=step,
            world_size=context.world_size,
            engine=engine,
            validation_loss=validation_loss,
            digests={name: digest for *_, part in parts for name, digest in part.items()},
        )
        try:
            files.commit(folder, record)
        except (StorageError, OSError) as error:
            problem, is_unable = f"worker 0: {error}", isinstance(error, StorageError)
    problem, is_unable = context.gather((problem, is_unable))[0]
    if context.rank == 0 and not problem:
        files.sweep(folder.parent, keep=keep)
    elif context.rank == 0:
        with suppress(OSError):
            files.discard(folder)
    if is_unable:
        raise StorageError(f"the state after step {step} could not be kept: {problem}")
    if problem and context.rank == 0:
        logger.error("the state after step %d could not be kept, training goes on without: %s", step, problem)
    return not problem


def find_sound(folder: Path, *, context: DistContext, run: str) -> files.Checkpoint | None:
    """Return the newest checkpoint that is as it was written, the same on all workers; damaged ones are withdrawn."""
    for found in context.gather(list(reversed(files.committed(folder))))[0]:
        damages = context.gather(files.find_damage(found, run=run, rank=context.rank, world_size=context.world_size))
        damage = next((each for each in damages if each is not None), None)
        if damage is None:
            return found
        if context.rank == 0:
            logger.warning("%s does not count, going back to the one before: %s", found.folder, damage)
            files.withdraw(found)
    return None


def run_bytes(model: nn.Module, config: TrainingConfig) -> tuple[int, int]:
    """Return the bytes of a checkpoint, and of all that a model's run writes; frozen parameters count as buffers."""
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    state = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    return disk_bytes(
        trained,
        num_buffer_bytes=state - BYTES * trained,
        keep=config.keep_checkpoints,
        has_average=config.ema_decay > 0,
        has_best=config.export == "best",
    )


def check_disk(model: nn.Module, config: TrainingConfig, run_dir: Path) -> None:
    """Raise StorageError if the disk of a run's folder cannot hold what the run will write."""
    checkpoint, need = run_bytes(model, config)
    weights = (WEIGHTS_FILE, files.UNAVERAGED_FILE, files.BEST_FILE)
    there = [*(run_dir / files.CHECKPOINTS).rglob("*"), *(run_dir / name for name in weights)]
    free = shutil.disk_usage(run_dir).free + sum(path.stat().st_size for path in there if path.is_file())
    if need > free:
        raise StorageError(
            f"{run_dir} has {free / 1e9:.2f} GB for this run, which needs {need / 1e9:.2f} GB: "
            f"{config.keep_checkpoints + 2} checkpoints of {checkpoint / 1e9:.2f} GB and the weights; "
            f"free the rest, move the folder to a larger disk, or lower keep_checkpoints ({config.keep_checkpoints})"
        )
