"""`ltm3d evaluate`: a folder of shapes, of whatever system, scored against the true ones."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from ltm3d import api
from ltm3d.cli.generate import progress
from ltm3d.errors import DataError


def evaluate(
    pred: Annotated[Path, typer.Option(help="The folder of predicted shapes: GLB, OBJ, PLY or STL; PLY also points.")],
    truth: Annotated[Path, typer.Option(help="The folder of true shapes; files are matched by name without suffix.")],
    out: Annotated[Path | None, typer.Option(help="Write the report, with the metrics of each shape, as JSON.")] = None,
    frame: Annotated[
        Literal["as_is", "normalize"],
        typer.Option(help="Coordinates as they are, or each shape centred, longest side in [-0.95, 0.95]."),
    ] = "as_is",
    pred_up: Annotated[str, typer.Option(help="The predicted files' axis that points up: +x, -x, +y ... -z.")] = "+y",
    pred_front: Annotated[str, typer.Option(help="Their axis that points to the front.")] = "+z",
    align: Annotated[
        Literal["none", "rotations", "icp"],
        typer.Option(help="Bring each over its true shape: best of 24 rotations, scale, shift; closest points, too."),
    ] = "none",
    max_faces: Annotated[int, typer.Option(min=1, help="Faces that a file may have.")] = 2_000_000,
    test_set: Annotated[
        Path | None, typer.Option(help="The file of a named set: these true shapes count, and they must be the same.")
    ] = None,
    write_test_set: Annotated[
        Path | None, typer.Option(help="Write the true shapes' names and hash as a named set: NAME.json.")
    ] = None,
    emd: Annotated[bool, typer.Option("--emd", help="Each pair's exact earth mover's distance, too.")] = False,
    pictures: Annotated[
        int, typer.Option(min=0, help="Renders of each shape, for similarity and KID in EfficientNet-Lite0's space.")
    ] = 0,
    point_encoder: Annotated[
        Path | None, typer.Option(help="An exported network (.pt2, .pt): cosine of 8,192 points' embeddings.")
    ] = None,
    picture_encoder: Annotated[
        Path | None, typer.Option(help="An exported network: FID and KID of the pictures in its space.")
    ] = None,
    lpips: Annotated[Path | None, typer.Option(help="An exported network that compares two pictures.")] = None,
    sets: Annotated[
        Literal["none", "cd", "emd"],
        typer.Option(help="MMD, COV and 1-NNA: by Chamfer distance, or by both; 3 ms or 0.6 s times n squared."),
    ] = "cd",
    points: Annotated[int, typer.Option(help="Surface points of each shape.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and files give the same metrics.")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds of processor time a file may take.")] = 120.0,
    memory: Annotated[int, typer.Option(help="MB a file may take.")] = 4096,
) -> None:
    """Score a folder of shapes against the true ones by protocol eval/v1; a missing or broken file is a failure.

    Examples:

        ltm3d evaluate --pred theirs/ --truth test_shapes/ --out report.json

        ltm3d evaluate --pred theirs/ --truth test_shapes/ --frame normalize --emd

        ltm3d evaluate --pred theirs/ --truth test_shapes/ --pred-up +z --pred-front=-y --align rotations

        ltm3d evaluate --pred theirs/ --truth test_shapes/ --test-set sets/chairs.json
    """
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise DataError(f"--out {out}: give a file in a folder that exists")
    from ltm3d.evaluation.named_set import write_named_set
    from ltm3d.evaluation.shape_folder import find_shapes, to_text

    for folder in (pred, truth):
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}")
    if write_test_set is not None:
        if test_set is not None or write_test_set.exists() or not write_test_set.parent.is_dir():
            raise DataError(
                f"--write-test-set {write_test_set}: give a file that is not there yet, in a folder that is, and no "
                "--test-set beside it"
            )
        made = write_named_set(write_test_set, find_shapes(truth)[0])
        typer.echo(f"{write_test_set}: test set {made.name}, {len(made.ids)} shapes, sha256 {made.sha256[:16]}")
        test_set = write_test_set
    with progress("measuring") as on_shape:
        report = api.evaluate(
            pred,
            truth,
            frame=frame,
            pred_up=pred_up,
            pred_front=pred_front,
            align=align,
            max_faces=max_faces,
            test_set=test_set,
            points=points,
            emd=emd,
            pictures=pictures,
            point_encoder=point_encoder,
            picture_encoder=picture_encoder,
            lpips=lpips,
            sets=sets,
            seed=seed,
            timeout_s=timeout,
            memory_mb=memory,
            on_shape=on_shape,
        )
    typer.echo(to_text(report))
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")
        typer.echo(f"  report: {out}")
