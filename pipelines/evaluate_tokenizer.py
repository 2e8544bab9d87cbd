"""Measure, audit and show the tokenizer on the test split, beside its ceiling → data/metrics, data/gallery."""

import json
from collections.abc import Sequence
from typing import Any

import torch

from ltm3d.evaluation.fidelity import PROTOCOL
from ltm3d.evaluation.measurement import decode_or_none
from ltm3d.evaluation.reconstruction import Encoded, ReconstructionConfig, measure_reconstructions
from ltm3d.evaluation.table import Scores, to_document, to_text
from ltm3d.serving.gallery import GalleryItem, GalleryWords
from ltm3d.shards.index import IndexEntry, uids_of_split
from ltm3d.shards.meshes import MeshSet
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tokenizers.tokenizer import DecodeConfig, Tokenizer
from ltm3d.transforms.audit_tokens import audit_set
from ltm3d.transforms.encode_tokens import EncodeTokensConfig, encode_set
from pipelines import _stage
from pipelines._cluster import map_over_ray
from pipelines._evaluation import log_document
from pipelines._gallery import COLUMNS, choose, write_page
from pipelines._planning import available

WORST_FIRST = "chamfer_l1"


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
        tokens = encode_set(tokenizer, targets, num_surface=num_surface).mean
        stage.start_ray()
        assets = [
            Encoded(uid, meshes[index], tokens[index], tokenizer.target_shape(targets, index))
            for index, uid in enumerate(uids)
        ]
        scores = measure_reconstructions(
            tokenizer,
            assets,
            config=config,
            seed=stage.seed,
            map_assets=map_over_ray,
        )
        document: dict[str, Any] = {"protocol": PROTOCOL, **to_document(scores, seed=stage.seed)}
        document["token_audit"] = audit_set(tokenizer, targets, num_surface=num_surface)
        path = stage.data / "metrics" / f"tokenizer_{representation}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
        log_document(stage.tracker, document)
        _stage.logger.info("\n%s", to_text(to_document(scores, seed=stage.seed), COLUMNS))
        show(stage, representation, tokenizer, assets, entries, scores, config)


def show(
    stage: _stage.Stage,
    representation: str,
    tokenizer: Tokenizer,
    assets: Sequence[Encoded],
    entries: Sequence[IndexEntry],
    scores: Sequence[Scores],
    config: ReconstructionConfig,
) -> None:
    """Write data/gallery/tokenizer_R: inputs beside reconstructions of some test assets, categories in turn."""
    chosen = choose([entry for entry in entries if entry.split == "test"], config.num_gallery_assets)
    wanted = {entry.uid for entry in chosen}
    shown = [asset for asset in assets if asset.uid in wanted]
    items = reconstructed_items(tokenizer, shown, chosen, scores, decode=config.decode(seed=stage.seed))
    rows = [{"grid": row.prompt, "method": row.method, **row.summary(seed=stage.seed)} for row in scores]
    words = GalleryWords(
        title=f"LTM3D · {representation} tokenizer · {stage.params.recipe}",
        subtitle=f"{len(items)} of {len(assets)} test assets, worst first",
        truth="input",
        sample="reconstruction",
    )
    trained = {"tokenizer": f"train_tokenizer_{representation}"}
    write_page(stage, f"tokenizer_{representation}", items, words=words, rows=rows, trained=trained)


def reconstructed_items(
    tokenizer: Tokenizer,
    assets: Sequence[Encoded],
    entries: Sequence[IndexEntry],
    scores: Sequence[Scores],
    *,
    decode: DecodeConfig,
) -> list[GalleryItem]:
    """Show inputs beside what their tokens decode to, worst first; with several grids the figures are of the first.

    The input is what the target stands for, a cloud, a quantised mesh, fitted Gaussians, and the mesh where it is none.
    """
    figures = next(row.by_asset for row in scores if row.method == "round_trip")
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
            figures=figures[asset.uid],
        )
        for asset in sorted(assets, key=lambda asset: -figures[asset.uid][WORST_FIRST])
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    _stage.run(main)
