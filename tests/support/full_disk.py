"""The toy, which fills its disk to the last byte for some steps."""

import json
import os
from pathlib import Path

from torch import Tensor
from torch import distributed as dist
from toy_training import ToyModel

from ltm3d.nn.randomness import StepRandom

FIRST_STEP, LAST_STEP = 12, 22


class FillingModel(ToyModel):
    """Fill the disk with a file before one step and remove it before another, on the first worker."""

    def __init__(self, filler: Path, report: Path) -> None:
        super().__init__()
        self.filler = filler
        self.report = report
        self.num_steps = 0

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        if self.training and dist.get_rank() == 0:
            if self.num_steps == FIRST_STEP:
                fill(self.filler)
            if self.num_steps == LAST_STEP:
                free = os.statvfs(self.filler).f_bfree
                names = [path.parent.name[:19] for path in self.filler.parent.rglob("COMMIT")]
                self.report.write_text(json.dumps({"free": free, "checkpoints": names}))
                self.filler.unlink()
            self.num_steps += 1
        return super().training_loss(batch, random)


def fill(path: Path) -> None:
    """Write zeros until the disk has no room."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
