"""Whether a new model may take the place of the one in use: metrics in, decision out; no model, no server."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.metrics.bootstrap import bootstrap_interval

DIRECTIONS = ("lower", "higher")


@dataclass(frozen=True, kw_only=True)
class GateMetric:
    """A metric that two models are compared by.

    Attributes:
        better: `lower` or `higher`.
        tolerance: share of the champion's value by which the challenger may be worse.
    """

    name: str
    better: str
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.better not in DIRECTIONS:
            raise ConfigError(f"better of {self.name} is {self.better!r}; use one of {', '.join(DIRECTIONS)}")
        if self.tolerance < 0:
            raise ConfigError(f"tolerance of {self.name} is {self.tolerance}; it must not be below 0")

    def gain(self, challenger: float, champion: float) -> float:
        """How much better the challenger is, in the metric's own unit."""
        return champion - challenger if self.better == "lower" else challenger - champion


@dataclass(frozen=True, kw_only=True)
class GateBound:
    """What a metric must keep whoever the champion is.

    Attributes:
        below, above: a number, or the name of another metric of the same model, e.g. a baseline's.
    """

    name: str
    below: float | str | None = None
    above: float | str | None = None

    def __post_init__(self) -> None:
        if (self.below is None) == (self.above is None):
            raise ConfigError(
                f"the bound of {self.name} needs one of below and above; got {self.below} and {self.above}"
            )


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """The rule of promotion.

    Attributes:
        chosen: the metric that must be better.
        guarded: metrics that must not be worse by more than their tolerance.
        required: bounds that hold with or without a champion.
        max_size_mb: of weights and settings, megabytes; None = any.
        max_seconds: of one answer on the machine that promotes; None = any.
        needs_clean_tree: whether a commit must have the code of each stage that made it.
        confidence: of the paired bootstrap over assets.
    """

    chosen: GateMetric
    guarded: tuple[GateMetric, ...] = ()
    required: tuple[GateBound, ...] = ()
    max_size_mb: float | None = None
    max_seconds: float | None = None
    needs_clean_tree: bool = True
    confidence: float = 0.95
    num_resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise ConfigError(f"confidence is {self.confidence}; it must lie in [0.5, 1)")
        if self.num_resamples < 100:
            raise ConfigError(f"num_resamples is {self.num_resamples}; it must be at least 100")
        for name, limit in (("max_size_mb", self.max_size_mb), ("max_seconds", self.max_seconds)):
            if limit is not None and not limit > 0:
                raise ConfigError(f"{name} is {limit}; it must be above 0, or null for no limit")
        names = [metric.name for metric in self.guarded]
        if len(set(names)) != len(names):
            raise ConfigError(f"guarded names a metric twice: {', '.join(names)}; name each once")


@dataclass(frozen=True, kw_only=True)
class GateEntry:
    """One model as the gate sees it.

    Attributes:
        label: how people call it, e.g. `ltm3d-sdf version 3`.
        per_asset: metric → uid → value, where values an asset were kept.
        protocol, test_set, references: the rules, the test assets, and hashes of the true shapes; metrics by others
            are not comparable.
        smoke_failure: why its files cannot be trusted or a prediction failed, None if neither.
        signature_failure: why clients could not use it, None if they can.
        source_failure: why no commit has the code that made it, None if one has.
        source_note: which commit has it, and by which records.
        size_mb, seconds: as measured when it was tried; None if it could not be.
    """

    label: str
    metrics: Mapping[str, float]
    per_asset: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    protocol: str = ""
    test_set: str = ""
    references: str = ""
    smoke_failure: str | None = None
    signature_failure: str | None = None
    source_failure: str | None = None
    source_note: str = "it can be restored"
    size_mb: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """One check, as it is printed."""

    check: str
    challenger: float | None
    limit: float | None
    passed: bool
    note: str


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """Passed or not, and why: `reasons` names each check that failed, or what let the model pass."""

    passed: bool
    reasons: tuple[str, ...]
    table: tuple[GateRow, ...]

    def to_table(self) -> str:
        """The checks as lines of text."""
        header = ("check", "challenger", "limit", "", "")
        rows = [
            (row.check, _text(row.challenger), _text(row.limit), "ok" if row.passed else "FAILS", row.note)
            for row in self.table
        ]
        widths = [max(len(row[column]) for row in [header, *rows]) for column in range(5)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
        )
        return "\n".join(line.rstrip() for line in lines)


def decide(
    challenger: GateEntry, champion: GateEntry | None, gate: GateConfig, *, new_test_set: bool = False
) -> GateDecision:
    """Say whether the challenger takes the champion's place.

    It must be made of committed code, answer a prompt, take and give what clients expect, and keep every limit and
    bound. With a champion it must also be no worse in any guarded metric and better in the chosen one: by the paired
    bootstrap over the test assets where both have values an asset, else by the means.

    Args:
        new_test_set: do not compare with a champion that was measured by another protocol or on other assets.
    """
    rows = [*_check_itself(challenger, gate), *(_check_bound(challenger, bound) for bound in gate.required)]
    if champion is None:
        chosen = challenger.metrics.get(gate.chosen.name)
        rows.append(_row(f"{gate.chosen.name} is there", chosen, None, _finite(chosen), "no champion to compare with"))
    elif (reason := _not_comparable(challenger, champion)) is not None:
        note = f"{reason}, or add --new-test-set" if not new_test_set else f"not asked for: {reason.partition(':')[0]}"
        rows.append(_row("same test", None, None, new_test_set, note))
    else:
        rows += [_check_guarded(challenger, champion, metric) for metric in gate.guarded]
        rows.append(_check_chosen(challenger, champion, gate))
    failed = tuple(f"{row.check}: {row.note}" for row in rows if not row.passed)
    passed = failed == ()
    last = rows[-1]
    return GateDecision(passed=passed, reasons=(f"{last.check}: {last.note}",) if passed else failed, table=tuple(rows))


def _check_itself(entry: GateEntry, gate: GateConfig) -> list[GateRow]:
    """Check what has nothing to do with metrics; limits are checked where the model could be tried."""
    rows = []
    if gate.needs_clean_tree:
        failure = entry.source_failure
        rows.append(_row("made of committed code", None, None, failure is None, failure or entry.source_note))
    failure = entry.smoke_failure
    rows.append(_row("answers a prompt", None, None, failure is None, failure or "a shape came out"))
    failure = entry.signature_failure
    rows.append(_row("signature", None, None, failure is None, failure or "clients can use it"))
    for name, value, limit in (
        ("megabytes", entry.size_mb, gate.max_size_mb),
        ("seconds a shape", entry.seconds, gate.max_seconds),
    ):
        if limit is not None:
            holds = _finite(value) and value is not None and value <= limit
            rows.append(_row(name, value, limit, holds, "" if holds else "over the limit" if value else "not measured"))
    return rows


def _check_bound(entry: GateEntry, bound: GateBound) -> GateRow:
    below = bound.below is not None
    given = bound.below if below else bound.above
    limit = entry.metrics.get(given) if isinstance(given, str) else given
    name = f"{bound.name} {'<' if below else '>'} {given}"
    value = entry.metrics.get(bound.name)
    if not _finite(value) or not _finite(limit):
        missing = bound.name if not _finite(value) else given
        return _row(name, value, limit, False, f"{missing} is not among the model's metrics")
    assert value is not None and limit is not None
    holds = value < limit if below else value > limit
    return _row(name, value, limit, holds, "required with or without a champion")


def _not_comparable(challenger: GateEntry, champion: GateEntry) -> str | None:
    for what in ("protocol", "test_set", "references"):
        ours, theirs = getattr(challenger, what), getattr(champion, what)
        if ours != theirs:
            return f"{what} is {ours or 'unknown'}, the champion's is {theirs or 'unknown'}: evaluate both under one"
    return None


def _check_guarded(challenger: GateEntry, champion: GateEntry, metric: GateMetric) -> GateRow:
    ours, theirs = challenger.metrics.get(metric.name), champion.metrics.get(metric.name)
    name = f"{metric.name} no worse"
    if not _finite(ours) or not _finite(theirs):
        owner = champion.label if _finite(ours) else challenger.label
        return _row(name, ours, theirs, False, f"{owner} lacks it")
    assert ours is not None and theirs is not None
    slack = metric.tolerance * abs(theirs)
    limit = theirs + slack if metric.better == "lower" else theirs - slack
    holds = metric.gain(ours, limit) >= 0
    return _row(name, ours, limit, holds, f"champion {theirs:.4g}, tolerance {metric.tolerance:.0%}")


def _check_chosen(challenger: GateEntry, champion: GateEntry, gate: GateConfig) -> GateRow:
    metric = gate.chosen
    name = f"{metric.name} better"
    ours, theirs = challenger.metrics.get(metric.name), champion.metrics.get(metric.name)
    if not _finite(ours) or not _finite(theirs):
        return _row(name, ours, theirs, False, f"{champion.label if _finite(ours) else challenger.label} lacks it")
    assert ours is not None and theirs is not None
    own_values, their_values = challenger.per_asset.get(metric.name), champion.per_asset.get(metric.name)
    if not own_values or not their_values:
        note = "by the means; values an asset are not at hand"
        return _row(name, ours, theirs, metric.gain(ours, theirs) > 0, note)
    if own_values.keys() != their_values.keys():
        num_odd = len(own_values.keys() ^ their_values.keys())
        return _row(
            name, ours, theirs, False, f"{num_odd} assets have a value in one model only: evaluate both on the same"
        )
    gains = np.array([metric.gain(own_values[uid], their_values[uid]) for uid in sorted(own_values)])
    if not np.isfinite(gains).all():
        return _row(
            name, ours, theirs, False, f"{int((~np.isfinite(gains)).sum())} assets have a value that is not finite"
        )
    interval = bootstrap_interval(gains, seed=gate.seed, num_resamples=gate.num_resamples, confidence=gate.confidence)
    note = (
        f"gain {interval.mean:.4g}, {gate.confidence:.0%} interval [{interval.low:.4g}, {interval.high:.4g}] "
        f"over {len(gains)} assets"
    )
    return _row(name, ours, theirs, interval.low > 0, note)


def _row(check: str, challenger: float | None, limit: float | None, passed: bool, note: str) -> GateRow:
    return GateRow(check=check, challenger=challenger, limit=limit, passed=passed, note=note)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
