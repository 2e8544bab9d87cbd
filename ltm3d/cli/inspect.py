"""`ltm3d inspect`: where one asset stands at every stage, why it was rejected, and its pictures."""

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ltm3d.errors import DataError
from ltm3d.schema import REASONS

LEDGER_FILE = "ledger.json"
SAMPLE_ID = re.compile(r"(?P<uid>.+)-(image|text|both)-\d+")


@dataclass(frozen=True)
class Standing:
    """What one stage says of the asset, or of one sample of it.

    Attributes:
        place: where its arrays are; empty where it was rejected.
    """

    stage: str
    name: str
    status: str
    reason: str
    place: str


def inspect(
    uid: Annotated[str, typer.Argument(help="The asset's identifier, as in data/meshes/index.json.")],
    data: Annotated[Path, typer.Option(help="The pipeline's data folder.")] = Path("data"),
    contact: Annotated[Path | None, typer.Option(help="Write its rendered views side by side to this PNG.")] = None,
) -> None:
    """Show where an asset stands at every stage, why it was rejected, and where its pictures are.

    Example:

        ltm3d inspect chair-00012 --contact chair.png
    """
    standings = find_standings(data, uid)
    entry = find_entry(data, uid)
    if not standings and not entry:
        raise DataError(unknown_uid(data, uid))
    typer.echo(f"{uid}  {entry.get('caption', '')}".rstrip())
    for key in ("category", "source", "licence", "split", "shard", "num_faces", "is_watertight"):
        if entry.get(key) not in (None, ""):
            typer.echo(f"  {key:<14} {entry[key]}")
    typer.echo("")
    for standing in standings:
        line = f"{standing.stage:<16} {standing.status:<9} {standing.reason or standing.place}"
        typer.echo(line if standing.name == uid else f"{line}  ({standing.name})")
    pictures = sorted(str(path) for path in (data / "gallery").rglob(f"*{uid}*") if path.is_file())
    for picture in pictures:
        typer.echo(f"picture          {picture}")
    if contact is not None:
        write_contact(data / "views", uid, contact)
        typer.echo(f"views            {contact}")


def find_standings(data: Path, uid: str) -> list[Standing]:
    """Read every stage's ledger, in the order of the way of the data."""
    order = ("raw", "meshes", "views", "targets", "conditions", "tokens", "samples")
    ledgers = [path for name in order for path in sorted((data / name).rglob(LEDGER_FILE))]
    found = []
    for path in ledgers:
        folder = path.parent
        assets = read_json(path)["assets"]
        for name, row in assets.items():
            match = SAMPLE_ID.fullmatch(name) if folder.parent.name == "samples" else None
            if uid not in (name, match["uid"] if match else None):
                continue
            reason = ""
            if row["status"] != "ok":
                meaning = REASONS.get(row["reason"].split(":")[0], "")
                reason = f"{row['reason']}: {meaning}" + (f" ({row['detail']})" if row["detail"] else "")
                reason += f", tried {row['tries']} times" if row.get("tries", 1) > 1 else ""
            place = find_place(folder, name) if row["status"] == "ok" else ""
            stage = folder.relative_to(data).as_posix()
            found.append(Standing(stage, name, row["status"], reason, place))
    return found


def find_place(folder: Path, name: str) -> str:
    """The shard and the row that hold an asset's arrays."""
    for shard in sorted(folder.glob("shard-*/shard.json")):
        uids = read_json(shard)["uids"]
        if name in uids:
            return f"{shard.parent} row {uids.index(name)}"
    return "in no shard: run `dvc repro`"


def find_entry(data: Path, uid: str) -> dict[str, Any]:
    """The asset's row in the index of kept assets; empty where it is not kept."""
    path = data / "meshes" / "index.json"
    rows = read_json(path)["assets"] if path.is_file() else []
    return next((row for row in rows if row["uid"] == uid), {})


def unknown_uid(data: Path, uid: str) -> str:
    """Say that no stage knows the asset, with the nearest names."""
    path = data / "raw" / LEDGER_FILE
    if not path.is_file():
        return f"{path} does not exist: nothing was downloaded yet; run `dvc repro`"
    known = list(read_json(path)["assets"])
    near = difflib.get_close_matches(uid, known, n=3, cutoff=0.5) or known[:3]
    return f"{uid}: no stage knows this asset ({len(known)} are known, for example {', '.join(near)})"


def write_contact(views: Path, uid: str, output: Path) -> None:
    """Write an asset's rendered views side by side on white.

    Raises:
        DataError: the asset has no views, or the file cannot be written.
    """
    from PIL import Image

    from ltm3d.shards.read import list_shards

    if output.suffix.lower() != ".png" or not output.parent.is_dir():
        raise DataError(f"--contact {output}: give a .png file in a folder that exists")
    shard = next((shard for shard in list_shards(views) if uid in shard.uids), None)
    if shard is None:
        raise DataError(f"{uid} has no rendered views in {views}")
    images = np.asarray(shard["images"][shard.uids.index(uid)])  # [V, H, W, 4]
    row = Image.fromarray(np.concatenate(list(images), axis=1), "RGBA")
    page = Image.new("RGBA", row.size, "white")
    page.alpha_composite(row)
    page.convert("RGB").save(output)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, or say which stage's file is broken."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run `dvc repro`") from error
    assert isinstance(content, dict)
    return content
