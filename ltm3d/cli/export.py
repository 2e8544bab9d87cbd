"""`ltm3d export`: a split's true shapes and prompts as files, so that another system can be asked for the same."""

from pathlib import Path
from typing import Annotated

import typer

from ltm3d.errors import DataError


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

    from ltm3d.mesh_io.writing import write_mesh
    from ltm3d.shards.captions import CAPTIONS_FILE, with_captions, write_captions
    from ltm3d.shards.index import read_index
    from ltm3d.shards.meshes import MeshSet
    from ltm3d.shards.read import ShardSet

    entries = [entry for entry in read_index(data / "meshes") if entry.split == split]
    if not entries:
        raise DataError(f"{data} has no asset of split {split!r}; give train, val or test")
    if (data / "captions" / CAPTIONS_FILE).is_file():
        entries = with_captions(entries, data / "captions")
    views = ShardSet(data / "views") if (data / "views").is_dir() else None
    if views is not None and view >= (num_views := len(views.get("images", 0))):  # [V, H, W, 4], V of the recipe
        raise DataError(f"--view {view}: {data / 'views'} has {num_views} an asset; use 0 to {num_views - 1}")
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
        if views is not None and uid in places:
            image = views.get("images", places[uid])[view]
            Image.fromarray(image, "RGBA").save(out / "images" / f"{uid}.png")
            num_images += 1
    write_captions(out, {entry.uid: entry.caption for entry in entries})
    typer.echo(f"split {split}: {len(uids)} shapes and captions, {num_images} images, in {out}")
    if num_images < len(uids):
        typer.echo(f"  {len(uids) - num_images} have no rendered views: run render_views (dvc repro)")
