"""What became of every asset at a stage: `ok`, or a typed reason."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError, DataError
from ltm3d.schema import REASONS
from ltm3d.shards.read import Shard
from ltm3d.shards.write import Reject

LEDGER_FILE = "ledger.json"
_CARD = "; `python -m pipelines.data_card` shows them"
OK_ROW = '{"status": "ok", "reason": "", "detail": ""}'
CHOICES = ("duplicate", "licence")  # reasons that are a choice, not a fault: they do not fail a stage


@dataclass
class Ledger:
    """The assets of one stage.

    Attributes:
        ok: uids that go on to the next stage.
        rejects: the others, by uid.
        tries: how often those were tried that a busy machine may have cost, `schema.RETRIED`.
        num_tasks: Ray Data tasks that ran for it; 0 where everything was already there.
    """

    stage: str
    ok: set[str] = field(default_factory=set)
    rejects: dict[str, Reject] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    num_tasks: int = 0

    def __len__(self) -> int:
        return len(self.ok) + len(self.rejects)

    def add(self, shard: Shard) -> None:
        """Enter the assets of a committed shard."""
        self.ok.update(shard.uids)
        self.rejects.update({reject.uid: reject for reject in shard.rejects})
        self.tries.update(shard.tries)

    def reject(self, reject: Reject) -> None:
        """Turn an asset away that had been kept so far."""
        self.ok.discard(reject.uid)
        self.rejects[reject.uid] = reject

    def counts(self) -> dict[str, int]:
        """Count the assets a reason, `ok` first, then the most frequent."""
        reasons = Counter(reject.reason for reject in self.rejects.values())
        return {"ok": len(self.ok), **dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))}

    def metrics(self) -> dict[str, float]:
        """Give the counts as metrics for tracking, `assets/ok`, `assets/timeout` …"""
        return {f"assets/{reason.replace(':', '_')}": float(count) for reason, count in self.counts().items()}

    def to_table(self) -> str:
        """Write the table of reasons, with one example each."""
        lines = [f"{self.stage}: {len(self.ok)} of {len(self)} assets ok"]
        for reason, count in self.counts().items():
            if reason != "ok":
                first = min((r for r in self.rejects.values() if r.reason == reason), key=lambda r: r.uid)
                example = f"{first.uid}: {first.detail}" if first.detail else first.uid
                lines.append(f"  {reason:<24} {count:>7}  {REASONS[reason.split(':')[0]]}; e.g. {example[:160]}")
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Write `ledger.json`: uid to status, reason and detail, sorted, one asset a line."""
        temporary = folder / f".{LEDGER_FILE}"
        uids = sorted([*self.ok, *self.rejects])
        with temporary.open("w", encoding="utf-8") as file:
            head = json.dumps({"stage": self.stage, "counts": self.counts()}, ensure_ascii=False)
            file.write(f'{head[:-1]}, "assets": {{\n')
            for number, uid in enumerate(uids, start=1):
                comma = "," if number < len(uids) else ""
                file.write(f"{json.dumps(uid, ensure_ascii=False)}: {self._row(uid)}{comma}\n")
            file.write("}}\n")
        temporary.replace(folder / LEDGER_FILE)

    def _row(self, uid: str) -> str:
        if uid in self.ok:
            return OK_ROW
        reject = self.rejects[uid]
        row: dict[str, Any] = {"status": "rejected", "reason": reject.reason, "detail": reject.detail}
        if uid in self.tries:
            row["tries"] = self.tries[uid]
        return json.dumps(row, ensure_ascii=False)

    def check(self, max_reject_fraction: float) -> None:
        """Fail where too many assets were turned away; duplicates and licences are choices and do not count.

        Raises:
            DataError: with the table of reasons.
        """
        num_faults = sum(reject.reason not in CHOICES for reject in self.rejects.values())
        if num_faults > max_reject_fraction * len(self):
            enough = min(math.ceil(100 * num_faults / len(self)) / 100, 1.0)
            setting = f"{self.stage.replace('@', '.')}.max_reject_fraction"
            raise DataError(
                f"{self.stage} rejected {num_faults} of {len(self)} assets, more than "
                f"max_reject_fraction = {max_reject_fraction:g} allows; mend the assets, or compose with "
                f"{setting}={enough:g} (finished shards are kept{_CARD if self.stage != 'download' else ''}).\n"
                f"{self.to_table()}"
            )


def ledger_of(stage: str, shards: Iterable[Shard]) -> Ledger:
    """Gather the ledger of a stage out of its committed shards."""
    ledger = Ledger(stage=stage)
    for shard in shards:
        ledger.add(shard)
    return ledger


def read_ledger(folder: Path) -> Ledger:
    """Read a stage's `ledger.json`.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        content = json.loads((folder / LEDGER_FILE).read_text(encoding="utf-8"))
        ledger = Ledger(stage=content["stage"])
        for uid, row in content["assets"].items():
            if row["status"] == "ok":
                ledger.ok.add(uid)
            else:
                ledger.rejects[uid] = Reject(uid=uid, reason=row["reason"], detail=row["detail"])
                if "tries" in row:
                    ledger.tries[uid] = row["tries"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder / LEDGER_FILE} cannot be read ({error}); run its stage (dvc repro)") from error
    return ledger


def check_fraction(name: str, value: float) -> None:
    """Refuse a setting that is no fraction."""
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} is {value}; give 0 to 1")
