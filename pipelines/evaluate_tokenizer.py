"""Measure, audit and show the tokenizer on the test split, beside its ceiling → data/metrics, data/gallery."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from ltm3d.cluster.session import map_over_ray
from ltm3d.evaluation.cost import with_cost
from ltm3d.evaluation.fidelity import PROTOCOL
from ltm3d.evaluation.measurement import decode_or_none
from ltm3d.evaluation.metrics_table import Scores, to_document, to_text
from ltm3d.evaluation.tokenizer_metrics import Encoded, ReconstructionConfig, circumstances, measure_reconstructions
from ltm3d.serving.gallery import GalleryItem, GalleryWords
from ltm3d.shards.available import available
from ltm3d.shards.index import IndexEntry, uids_of_split
from ltm3d.shards.meshes import MeshSet
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tokenizers.tokenizer import DecodeConfig, Tokenizer
from ltm3d.tracking.metric_names import flatten_metrics
from ltm3d.transforms.audit_tokens import audit_set
from ltm3d.transforms.encode_tokens import EncodeTokensConfig, encode_set
from pipelines import _stage
from pipelines._gallery import COLUMNS, choose, write_page

WORST_FIRST = "chamfer_l1"
Table = dict[str, dict[str, dict[str, float]]]

LIBRARIES = ("numpy", "scipy", "torch", "open3d", "pykdtree", "scikit-image")  # whose versions are part of the key


def main(representation: str) -> None:
    """Reconstruct every test asset at each resolution."""
    with _stage.stage("evaluate_tokenizer", representation=representation, minutes="2 minutes", disk="10 MB") as stage:
        config = stage.params.get("evaluate_tokenizer", ReconstructionConfig)
        num_surface = stage.params.get("encode_tokens", EncodeTokensConfig).num_surface
        tokenizer = load_tokenizer(stage.data / "models" / "tokenizer" / representation)
        entries = available(stage.data, f"targets/{representation}")
        uids = uids_of_split(entries, "test")
        targets = ShardSet(stage.data / "targets" / representation, uids)
        meshes = MeshSet(ShardSet(stage.data / "meshes", uids))
        audit = audit_set(tokenizer, targets, num_surface=num_surface)  # first: are there points for two draws?
        posterior, cost = with_cost(partial(encode_set, tokenizer, targets, num_surface=num_surface))
        stage.start_ray()
        assets = [
            Encoded(uid, meshes[index], posterior.mean[index], tokenizer.target_shape(targets, index))
            for index, uid in enumerate(uids)
        ]
        scores = measure_reconstructions(
            tokenizer,
            assets,
            config=config,
            seed=stage.seed,
            map_assets=map_over_ray,
        )
        num_rejected = len(uids_of_split(available(stage.data), "test")) - len(uids)
        table = count_rejected(to_document(scores, seed=stage.seed), num_rejected)
        document: dict[str, Any] = {
            "protocol": PROTOCOL,
            **circumstances(tokenizer, config),
            "encode_seconds": cost.seconds / len(uids),
            "encode_peak_mib": cost.peak_memory,
            "token_audit": audit,
            **table,
        }
        path = stage.data / "metrics" / f"tokenizer_{representation}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
        stage.tracker.log_metrics(dict(flatten_metrics(document)))
        _stage.logger.info("\n%s", to_text(table, COLUMNS))
        show(stage, representation, tokenizer, assets, entries, scores, config, num_rejected=num_rejected)


def count_rejected(table: Table, num_rejected: int) -> Table:
    """Put `num_rejected` beside the counts of each row: test assets that are not measured, as they have no target.

    The ledger of `data/targets/R` says why.
    """
    return {
        grid: {method: {**summary, "num_rejected": num_rejected} for method, summary in methods.items()}
        for grid, methods in table.items()
    }


def show(
    stage: _stage.Stage,
    representation: str,
    tokenizer: Tokenizer,
    assets: Sequence[Encoded],
    entries: Sequence[IndexEntry],
    scores: Sequence[Scores],
    config: ReconstructionConfig,
    *,
    num_rejected: int,
) -> None:
    """Write data/gallery/tokenizer_R: inputs beside reconstructions of some test assets, categories in turn."""
    chosen = choose([entry for entry in entries if entry.split == "test"], config.num_gallery_assets)
    wanted = {entry.uid for entry in chosen}
    shown = [asset for asset in assets if asset.uid in wanted]
    items = reconstructed_items(tokenizer, shown, chosen, scores, decode=config.decode(seed=stage.seed))
    rows = [{"grid": row.prompt, "method": row.method, **row.summary(seed=stage.seed)} for row in scores]
    words = GalleryWords(
        title=f"LTM3D · {representation} tokenizer · {stage.params.recipe}",
        subtitle=subtitle(len(items), len(assets), num_rejected),
        truth="input",
        sample="reconstruction",
    )
    trained = {"tokenizer": f"train_tokenizer_{representation}"}
    write_page(stage, f"tokenizer_{representation}", items, words=words, rows=rows, trained=trained)


def subtitle(num_shown: int, num_measured: int, num_rejected: int) -> str:
    """Say how many test assets are shown, and how many are not even measured."""
    shown = f"{num_shown} of {num_measured} test assets, worst first"
    return f"{shown}; {num_rejected} more have no target of this kind and are not measured" if num_rejected else shown


def reconstructed_items(
    tokenizer: Tokenizer,
    assets: Sequence[Encoded],
    entries: Sequence[IndexEntry],
    scores: Sequence[Scores],
    *,
    decode: DecodeConfig,
) -> list[GalleryItem]:
    """Show inputs beside what their tokens decode to, worst first; with several grids the metrics are of the first.

    The input is what the target stands for, a cloud, a quantised mesh, fitted Gaussians, and the mesh where it is none.
    """
    metrics = next(row.by_asset for row in scores if row.method == "round_trip")
    by_uid = {entry.uid: entry for entry in entries}
    return [
        GalleryItem(
            uid=asset.uid,
            category=by_uid[asset.uid].category,
            caption=by_uid[asset.uid].caption,
            prompt_kind="none",
            prompt_image=None,
            truth=asset.mesh if asset.target is None else asset.target,
            samples=[decode_or_none(tokenizer, asset.tokens, decode)],
            metrics=metrics[asset.uid],
        )
        for asset in sorted(assets, key=lambda asset: -metrics[asset.uid][WORST_FIRST])
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    _stage.run(main)
