"""A checkpoint whose second worker is slow and names its file at the end: `python slow_writer.py RANK STORE FOLDER`.

So does safetensors: a file has a name of no worker until it is whole. FOLDER/found.json says what came of it.
"""

import json
import sys
import time
from pathlib import Path

from torch import distributed as dist

from ltm3d.training.checkpoints import files
from ltm3d.training.checkpoints.saving import find_sound, save_checkpoint
from ltm3d.training.loop import DistContext


def main(rank: int, store: Path, folder: Path) -> None:
    """Save, then look for what can be read."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    context = DistContext(rank=rank, world_size=2)

    def write(into: Path) -> None:
        if rank == 1:
            (into / ".tmpAbCdEf").write_bytes(b"the second's")
            time.sleep(1)
            (into / ".tmpAbCdEf").rename(into / "zero-00001.safetensors")
        else:
            while not (into / ".tmpAbCdEf").exists():
                time.sleep(0.01)
            (into / "zero-00000.safetensors").write_bytes(b"the first's")

    is_kept = save_checkpoint(
        files.checkpoint_folder(folder, "toy") / files.checkpoint_name(3, 2, "x"),
        write,
        context=context,
        run="r",
        step=3,
        engine="torch",
        validation_loss=None,
        keep=2,
    )
    found = find_sound(files.checkpoint_folder(folder, "toy"), context=context, run="r")
    if rank == 0:
        names = sorted(found.commit.digests) if found else None
        (folder / "found.json").write_text(json.dumps({"is_kept": is_kept, "names": names}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
