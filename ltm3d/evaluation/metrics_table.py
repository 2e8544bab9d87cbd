"""From metrics of single assets to the table that is printed, logged and compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ltm3d.evaluation.cost import Cost, decode_costs
from ltm3d.metrics.bootstrap import bootstrap_interval

Metrics = Mapping[str, float]
COUNTS = ("num_assets", "num_failures", "num_rejected")


@dataclass
class Scores:
    """Metrics of one method for one kind of prompt: one record an asset, the mean over its samples.

    A metric that some shape of the method does not have, as the normals of a cloud, is left out.

    Attributes:
        failures: samples without a surface; they are measured too, see `shape_metrics`.
        costs: of the samples' decoding, where that is measured.
    """

    method: str
    prompt: str
    by_asset: dict[str, dict[str, float]] = field(default_factory=dict)
    failures: int = 0
    costs: list[Cost] = field(default_factory=list)

    def add(self, uid: str, metrics: Sequence[Metrics], *, failures: int = 0) -> None:
        """Take an asset's samples."""
        names = [name for name in metrics[0] if all(name in sample for sample in metrics)]
        self.by_asset[uid] = {name: sum(sample[name] for sample in metrics) / len(metrics) for name in names}
        self.failures += failures

    def summary(self, *, seed: int) -> dict[str, float]:
        """Return mean and 95 % bootstrap interval over assets a metric, counts of assets and failures, and costs."""
        summary: dict[str, float] = {"num_assets": len(self.by_asset), "num_failures": self.failures}
        first, *others = self.by_asset.values()
        for name in (name for name in first if all(name in metrics for metrics in others)):
            interval = bootstrap_interval([metrics[name] for metrics in self.by_asset.values()], seed=seed)
            summary[name] = interval.mean
            summary[f"{name}_low"], summary[f"{name}_high"] = interval.low, interval.high
        return summary | (decode_costs(self.costs) if self.costs else {})


def to_document(scores: Sequence[Scores], *, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return prompt → method → summary."""
    document: dict[str, dict[str, dict[str, float]]] = {}
    for row in scores:
        document.setdefault(row.prompt, {})[row.method] = row.summary(seed=seed)
    return document


def to_text(document: Mapping[str, Mapping[str, Mapping[str, float]]], columns: Sequence[str]) -> str:
    """Lay the table out for a terminal, counts first; what no row has is left out."""
    rows = [summary for methods in document.values() for summary in methods.values()]
    counts, columns = (
        [column for column in wanted if any(column in summary for summary in rows)] for wanted in (COUNTS, columns)
    )
    header = f"{'prompt':<8}{'method':<24}" + "".join(f"{count.removeprefix('num_'):>10}" for count in counts)
    header += "".join(f"{column:>24}" for column in columns)
    lines = [header]
    for prompt, methods in document.items():
        for method, summary in methods.items():
            cells = [
                f"{summary[column]:.4f} [{summary[f'{column}_low']:.4f}, {summary[f'{column}_high']:.4f}]"
                if column in summary
                else "-"
                for column in columns
            ]
            counted = "".join(f"{int(summary[count]) if count in summary else '-':>10}" for count in counts)
            lines.append(f"{prompt:<8}{method:<24}{counted}" + "".join(f"{cell:>24}" for cell in cells))
    return "\n".join(lines)
