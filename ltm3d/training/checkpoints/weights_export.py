"""Weights of a run, as safetensors files in its folder.

model.safetensors       what is used: of the last step, or of the lowest validation loss; the average where there is one
unaveraged.safetensors  the parameters themselves after the last step, where they are averaged
best.safetensors        what had the lowest validation loss so far, with the step and that loss, where it is asked for
"""

import logging
import math
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ltm3d.errors import ConfigError, ModelError
from ltm3d.nn.weights import WEIGHTS_FILE, load_weights, weights_hash
from ltm3d.training.checkpoints.files import BEST_FILE, UNAVERAGED_FILE
from ltm3d.training.config import TrainingConfig
from ltm3d.training.ema import ParameterAverage
from ltm3d.training.engine import Engine

logger = logging.getLogger(__name__)


def start_from(model: nn.Module, config: TrainingConfig) -> None:
    """Fill a new model with the weights that the settings name, if they do.

    Raises:
        ModelError: there are none, or they are of another make.
    """
    if config.warm_start is not None:
        load_weights(model, Path(config.warm_start))


def start_key(config: TrainingConfig) -> str:
    """Return the hash of the weights that a run starts from, "" where it starts from none.

    Raises:
        ModelError: there are none where the settings say.
    """
    if config.warm_start is None:
        return ""
    folder = Path(config.warm_start)
    if not (folder / WEIGHTS_FILE).is_file():
        raise ModelError(f"warm_start is {folder}, which holds no {WEIGHTS_FILE}; give a model's folder")
    return weights_hash(folder)


class WeightsExport:
    """Writes a run's weights; all workers call each method, the first one writes.

    Args:
        shapes: of the model as it was built; an engine may have turned scalars into vectors.

    Raises:
        ConfigError: the best weights are asked for, and nothing is validated.
    """

    def __init__(
        self,
        engine: Engine,
        average: ParameterAverage | None,
        shapes: Mapping[str, torch.Size],
        *,
        run_dir: Path,
        config: TrainingConfig,
        validates: bool,
        writes: bool,
    ) -> None:
        if config.export == "best" and not validates:
            raise ConfigError("export is best, but nothing is validated: give a validation set, or set export to last")
        self.engine = engine
        self.average = average
        self.shapes = shapes
        self.run_dir = run_dir
        self.keeps_best = config.export == "best"
        self.writes = writes
        self.waits: dict[str, tuple[dict[str, Tensor], dict[str, str] | None]] = {}  # file → what a full disk refused
        self.best_step, self.best_loss = _read_record(run_dir / BEST_FILE) if self.keeps_best else (0, math.inf)

    def validated(self, step: int, loss: float) -> None:
        """Keep the weights if none had a lower validation loss; called while the model has the validated ones."""
        if self.keeps_best and loss < self.best_loss:
            self.best_step, self.best_loss = step, loss
            try:
                self._write(BEST_FILE, {"step": str(step), "validation_loss": repr(loss)})
            except (OSError, SafetensorError) as error:
                logger.error("the best weights so far, of step %d, wait for room on the disk: %s", step, error)

    def finish(self) -> dict[str, float]:
        """Write what is used, at the end of the run; return what is to be said of it.

        Raises:
            OSError, SafetensorError: the disk is full; on the first worker only.
        """
        self._save_waiting()
        if self.average is not None:
            self._write(UNAVERAGED_FILE)
        if self.best_step > 0:
            if self.writes:
                temporary = self.run_dir / f"{WEIGHTS_FILE}.tmp"
                shutil.copyfile(self.run_dir / BEST_FILE, temporary)
                temporary.replace(self.run_dir / WEIGHTS_FILE)
            return {"validation/best_step": self.best_step, "validation/best_loss": self.best_loss}
        with nullcontext() if self.average is None else self.average.applied():
            self._write(WEIGHTS_FILE)
        return {}

    def _write(self, name: str, metadata: dict[str, str] | None = None) -> None:
        weights = self.engine.weights()
        if self.writes:
            state = {key: weights[key].reshape(shape).contiguous() for key, shape in self.shapes.items()}
            self.waits[name] = state, metadata
            self._save_waiting()

    def _save_waiting(self) -> None:
        for name, (state, metadata) in list(self.waits.items()):
            temporary = self.run_dir / f"{name}.tmp"
            save_file(state, temporary, metadata)
            temporary.replace(self.run_dir / name)
            del self.waits[name]


def _read_record(path: Path) -> tuple[int, float]:
    """Return step and validation loss of the best weights so far."""
    if not path.is_file():
        return 0, math.inf
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    return int(metadata["step"]), float(metadata["validation_loss"])
