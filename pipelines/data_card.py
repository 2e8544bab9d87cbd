"""What is in the data set, and what was turned away: data/card, and MLflow."""

import logging
from collections import defaultdict

import numpy as np

from ltm3d.serving.data_card import describe, write_data_card
from ltm3d.shards.available import available
from ltm3d.shards.index import read_index
from ltm3d.shards.ledger import LEDGER_FILE, read_ledger
from ltm3d.shards.read import ShardSet, iter_shards
from ltm3d.transforms.encode_conditions import EncodeConditionsConfig
from pipelines import _stage

logger = logging.getLogger(__name__)

PICTURES_PER_CATEGORY = 8
MAX_CATEGORIES = 24
LIBRARIES = ("numpy", "pillow")  # whose versions are part of the key


def main() -> None:
    """Count, summarise, show some of each of the larger categories; of stages that have written a ledger.

    `dvc repro` runs it when all stages have ended; by hand it also shows what a stage left that rejected too many.
    """
    with _stage.stage("data_card", minutes="10 seconds", disk="2 MB") as stage:
        entries = read_index(stage.data / "meshes")
        names = ["raw", "meshes", "views", *(f"targets/{name}" for name in stage.params.targets)]
        there = [name for name in names if (stage.data / name / LEDGER_FILE).is_file()]
        if len(there) < len(names):
            logger.warning("not made yet, so not in the card: %s", ", ".join(sorted(set(names) - set(there))))
        targets = [name for name in stage.params.targets if f"targets/{name}" in there]
        card = describe(
            entries,
            [read_ledger(stage.data / name) for name in there],
            {
                name: (r for shard in iter_shards(stage.data / "targets" / name) for r in shard.records)
                for name in targets
            },
            stage.params.get("encode_conditions", EncodeConditionsConfig).described,
        )
        shown = defaultdict(list)
        for entry in available(stage.data, "views") if "views" in there else ():
            if entry.category in list(card["categories"])[:MAX_CATEGORIES] or not entry.category:
                shown[entry.category or "unknown"].append(entry.uid)
        uids = {category: uids[:PICTURES_PER_CATEGORY] for category, uids in shown.items()}
        pictures = {}
        if uids:
            views = ShardSet(stage.data / "views", [uid for group in uids.values() for uid in group])
            pictures = {uid: np.asarray(views.get("images", place)[0]) for place, uid in enumerate(views)}
        output = stage.data / "card"
        write_data_card(
            output,
            card,
            title=f"Data card: {stage.params.recipe}",
            thumbnails={category: [(uid, pictures[uid]) for uid in group] for category, group in uids.items()},
            attributions=(record for shard in iter_shards(stage.data / "meshes") for record in shard.records),
        )
        stage.tracker.log_artifact(output)
        stage.tracker.log_metrics(
            {
                "num_assets": card["num_assets"],
                "watertight_fraction": card["watertight"].get("watertight", 0) / card["num_assets"],
                **{
                    f"{name}/{fact}": summary["p50"]
                    for name, facts in card["targets"].items()
                    for fact, summary in facts.items()
                },
            }
        )


if __name__ == "__main__":
    _stage.run(main)
