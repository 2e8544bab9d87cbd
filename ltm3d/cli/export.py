"""`ltm3d export`: a split's true shapes and prompts as files, so that another system can be asked for the same."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ltm3d.errors import DataError

CAPTIONS_FILE = "captions.json"


def export(
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    view: Annotated[int, typer.Option(min=0, help="The rendered view that is the image prompt: sampling.R.view.")] = 0,
    data: Annotated[Path, typer.Option(help="The pipeline's data folder.")] = Path("data"),
) -> None:
    """Write a split's shapes (normalised frame) and prompts: shapes/UID.glb, images/UID.png, captions.json.

    What a system makes of images/ or captions.json, as files UID.glb, is scored by `ltm3d evaluate` against shapes/.

    Example:

        ltm3d export --out ../test_set
    """
    from PIL import Image

    from ltm3d.geometry.export import write_mesh
    from ltm3d.shards.index import read_index
    from ltm3d.shards.meshes import MeshSet
    from ltm3d.shards.read import ShardSet, list_shards
    from ltm3d.sources.captions import read_captions

    entries = [entry for entry in read_index(data / "meshes") if entry.split == split]
    if not entries:
        raise DataError(f"{data} has no asset of split {split!r}; give train, val or test")
    views = ShardSet(data / "views") if list_shards(data / "views") else None
    written = data / "captions" / CAPTIONS_FILE
    captions = {entry.uid: entry.caption for entry in entries}
    captions |= read_captions(written) if written.is_file() else {}
    try:
        for part in ("shapes", "images"):
            (out / part).mkdir(parents=True)
    except OSError as error:
        raise DataError(f"--out {out}: {error}; give a folder that does not exist yet") from error
    places = {} if views is None else {uid: place for place, uid in enumerate(views.uids)}
    num_images = 0
    uids = [entry.uid for entry in entries]
    for uid, mesh in zip(uids, MeshSet(ShardSet(data / "meshes", uids)), strict=True):
        write_mesh(mesh, out / "shapes" / f"{uid}.glb")
        if views is None or uid not in places:
            continue
        images = views.get("images", places[uid])  # [V, H, W, 4]
        if view >= len(images):
            raise DataError(f"--view {view}: {uid} has {len(images)} views; use 0 to {len(images) - 1}")
        Image.fromarray(images[view], "RGBA").save(out / "images" / f"{uid}.png")
        num_images += 1
    document = {uid: captions[uid] for uid in uids}
    (out / CAPTIONS_FILE).write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    typer.echo(f"split {split}: {len(uids)} shapes and captions, {num_images} images, in {out}")
    if num_images < len(uids):
        typer.echo(f"  {len(uids) - num_images} have no rendered views: run render_views (dvc repro)")
