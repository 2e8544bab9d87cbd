"""How many steps a run may have to end in a given time: its costs are measured on the device before it starts."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from ltm3d.errors import ConfigError
from ltm3d.training.config import TrainingConfig
from ltm3d.training.data import ExampleSet
from ltm3d.training.engine import TorchEngine
from ltm3d.training.loop import Callbacks, DistContext, run_steps, validate

CHUNK = 5  # steps between two looks at the clock; the first chunk warms up and is not counted
MAX_CHUNKS = 9
MAX_SHARE = 0.05  # of the time, after which measuring stops as soon as there is a metric


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a run's parts take, in seconds."""

    step: float
    validation: float
    checkpoint: float

    def steps_within(self, seconds: float, config: TrainingConfig) -> int:
        """Return the number of steps that end within a time, with their validations and checkpoints.

        With N steps, a validation each V of them and a checkpoint each C, and one of both at the end, a run takes no
        more than N (step + validation / V + checkpoint / C) + validation + checkpoint.

        Raises:
            ConfigError: not even one step fits.
        """
        each = self.step + self.validation / config.validate_every + self.checkpoint / config.checkpoint_every
        count = int((seconds - self.validation - self.checkpoint) / each)
        if count < 1:
            needed = each + self.validation + self.checkpoint
            raise ConfigError(
                f"{seconds:.1f} s are left to train, one step with its end takes {needed:.1f} s: give more"
            )
        return count


def measure_costs(
    build_model: Callable[[], nn.Module],
    examples: ExampleSet,
    validation: ExampleSet,
    *,
    config: TrainingConfig,
    context: DistContext,
    seconds: float,
    scratch: Path,
) -> Costs:
    """Train a model of the same make for some steps, validate it, save it, and forget it.

    Args:
        seconds: the whole time there is; measuring takes a small share of it, but at least two chunks of steps.
        scratch: a folder on the disk that will hold the checkpoints.
    """
    started = time.perf_counter()
    engine = TorchEngine(build_model(), config, world_size=1, device=context.device)
    rates: list[float] = []
    callbacks = Callbacks(
        metrics=lambda step, metrics: rates.append(metrics["train/samples_per_second"]),
        checkpoint=lambda step: None,
    )
    for chunk in range(MAX_CHUNKS):
        part = replace(config, num_steps=(chunk + 1) * CHUNK, log_every=CHUNK)
        first_step = chunk * CHUNK
        run_steps(
            engine,
            examples,
            None,
            config=part,
            context=context,
            average=None,
            first_step=first_step,
            callbacks=callbacks,
        )
        if len(rates) > 1 and time.perf_counter() - started > MAX_SHARE * seconds:
            break
    validating = time.perf_counter()
    validate(engine, validation, config=config, context=context)
    saving = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        engine.save(Path(folder), {})
        end = time.perf_counter()
    return Costs(
        step=config.global_batch_size / statistics.median(rates[1:]),
        validation=saving - validating,
        checkpoint=end - saving,
    )
