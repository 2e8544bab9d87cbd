"""Make docs/pictures/generated.png: `readme_picture.py DATA OUT [PROMPT …]`.

A column a test object, categories in turn and none picked. Above the object in the view of the image prompt, below the
first of its generated shapes, one row a PROMPT (image, text, both: the default) of each representation that
DATA/samples has; a prompt whose sample came out empty leaves its place white.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from ltm3d.evaluation.set_metrics import first_samples
from ltm3d.evaluation.shape_pictures import shape_pictures
from ltm3d.shards.available import available
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.kinds import REPRESENTATIONS
from pipelines._gallery import choose

NUM_OBJECTS = 14
SIDE, MARGIN = 160, 12
NUM_COLOURS = 128  # of the written file, so that it stays small


def on_white(picture: np.ndarray) -> np.ndarray:
    """Lay what a picture [H, W, 4] of straight alpha shows on white, its longer side MARGIN short of SIDE pixels."""
    page, whole = Image.new("RGBA", (SIDE, SIDE), "white"), Image.fromarray(picture)
    shown = whole.crop(whole.getchannel("A").getbbox() or (0, 0, 1, 1))
    scale = (SIDE - MARGIN) / max(shown.size)
    size = tuple(max(1, round(scale * length)) for length in shown.size)
    shown = shown.resize(size, Image.Resampling.LANCZOS)
    page.alpha_composite(shown, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(page.convert("RGB"))


def main(data: Path, out: Path, prompts: list[str]) -> None:
    """Draw the rows and write them."""
    representations = [name for name in REPRESENTATIONS if (data / "samples" / name).is_dir()]
    entries = available(data, "views", *(f"targets/{name}" for name in representations))
    chosen = choose([entry for entry in entries if entry.split == "test"], NUM_OBJECTS)
    views = ShardSet(data / "views", [entry.uid for entry in chosen])
    rows = [[on_white(np.array(views.get("images", index)[0])) for index in range(len(chosen))]]
    for name in representations:
        first = first_samples(data / "samples" / name)
        for prompt in prompts:
            shapes = [first[entry.uid, prompt] for entry in chosen]
            rows.append([on_white(shape_pictures(shape, num_views=1, resolution=2 * SIDE)[0]) for shape in shapes])
    page = Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows]))
    page.quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)
    print(f"{out}: {len(chosen)} objects, {', '.join(representations)}, prompts {', '.join(prompts)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or ["both"])
