"""Measure the tokenizer on the test split, beside its ceiling, and audit its tokens → data/metrics."""

import json
from typing import Any

import torch

from ltm3d.evaluation.fidelity import PROTOCOL
from ltm3d.evaluation.reconstruction import Encoded, ReconstructionConfig, measure_reconstructions
from ltm3d.evaluation.table import to_document, to_text
from ltm3d.shards.index import uids_of_split
from ltm3d.shards.meshes import MeshSet
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.transforms.audit_tokens import audit_set
from ltm3d.transforms.encode_tokens import EncodeTokensConfig, encode_set
from pipelines import _stage
from pipelines._cluster import map_over_ray
from pipelines._evaluation import log_document
from pipelines._planning import available


def main(representation: str) -> None:
    """Reconstruct every test asset at each resolution."""
    with _stage.stage("evaluate_tokenizer", representation=representation, minutes="2 minutes", disk="1 MB") as stage:
        config = stage.params.get("evaluate_tokenizer", ReconstructionConfig)
        num_surface = stage.params.get("encode_tokens", EncodeTokensConfig).num_surface
        tokenizer = load_tokenizer(stage.data / "models" / "tokenizer" / representation)
        uids = uids_of_split(available(stage.data, f"targets/{representation}"), "test")
        targets = ShardSet(stage.data / "targets" / representation, uids)
        meshes = MeshSet(ShardSet(stage.data / "meshes", uids))
        tokens = encode_set(tokenizer, targets, num_surface=num_surface).mean
        stage.start_ray()
        scores = measure_reconstructions(
            tokenizer,
            [
                Encoded(uid, meshes[index], tokens[index], tokenizer.target_shape(targets, index))
                for index, uid in enumerate(uids)
            ],
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
        columns = ("volume_iou", "chamfer_l1", "f_score@0.05", "normal_consistency")
        _stage.logger.info("\n%s", to_text(to_document(scores, seed=stage.seed), columns))


if __name__ == "__main__":
    torch.set_num_threads(1)
    _stage.run(main)
