"""Move the alias `champion` to the challenger that passes the gate, and back."""

import json
import logging

from ltm3d.errors import ModelError
from ltm3d.evaluation.gate import GateConfig, GateDecision, GateEntry, GateRow, decide
from ltm3d.settings import convert
from ltm3d.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS_CHAMPION,
    RegisteredVersion,
    get_version_by_alias,
    read_card_json,
    set_alias,
    set_version_tag,
    smoke_predict,
)

log = logging.getLogger(__name__)

PER_ASSET_FILE = "per_asset.json"
GATE_FILE = "gate.json"


def promote(name: str, gate: GateConfig | None, tracking_uri: str, *, dry_run: bool = False) -> GateDecision:
    """Let the challenger answer a prompt, hold it against the champion, and move the alias if it passes.

    The champion before is kept as `previous_champion`; the decision is written to the challenger's tag `gate`.

    Args:
        gate: the rule; the one that was registered with the challenger if None.
        dry_run: decide only, change nothing.

    Raises:
        ModelError: there is no challenger, it came without a rule, or the registry does not answer.
    """
    challenger = get_version_by_alias(name, CHALLENGER, tracking_uri)
    if challenger is None:
        raise ModelError(f"model {name} has no challenger in {tracking_uri}; `dvc repro` registers one")
    gate = gate or _registered_gate(challenger, tracking_uri)
    champion = get_version_by_alias(name, CHAMPION, tracking_uri)
    if champion is not None and champion.version == challenger.version:
        row = GateRow(
            check="challenger", challenger=None, limit=None, passed=True, note=f"{champion.uri} is champion already"
        )
        return GateDecision(passed=True, reasons=(row.note,), table=(row,))
    failure = smoke_predict(challenger, tracking_uri)
    decision = decide(
        _entry(challenger, tracking_uri, smoke_failure=failure),
        None if champion is None else _entry(champion, tracking_uri),
        gate,
    )
    if dry_run:
        return decision
    summary = json.dumps({"passed": decision.passed, "reasons": decision.reasons})
    set_version_tag(challenger, "gate", summary, tracking_uri)
    if decision.passed:
        if champion is not None:
            set_alias(name, PREVIOUS_CHAMPION, champion.version, tracking_uri)
        set_alias(name, CHAMPION, challenger.version, tracking_uri)
        log.info("%s is the champion now", challenger.uri)
    return decision


def roll_back(name: str, tracking_uri: str, *, dry_run: bool = False) -> tuple[RegisteredVersion, RegisteredVersion]:
    """Make the champion before champion again; rolling back twice undoes it. Return (champion, the one that leaves).

    Raises:
        ModelError: there is no champion, or none before it.
    """
    champion = get_version_by_alias(name, CHAMPION, tracking_uri)
    previous = get_version_by_alias(name, PREVIOUS_CHAMPION, tracking_uri)
    if champion is None or previous is None:
        missing = "champion" if champion is None else "champion before the present one"
        raise ModelError(f"model {name} has no {missing} in {tracking_uri}; there is nothing to roll back to")
    if not dry_run:
        set_alias(name, CHAMPION, previous.version, tracking_uri)
        set_alias(name, PREVIOUS_CHAMPION, champion.version, tracking_uri)
        log.info("%s is the champion again", previous.uri)
    return previous, champion


def _registered_gate(version: RegisteredVersion, tracking_uri: str) -> GateConfig:
    settings = read_card_json(version, GATE_FILE, tracking_uri)
    if settings is None:
        raise ModelError(f"{version.uri} was registered without {GATE_FILE}; register it again, or give the gate")
    gate: GateConfig = convert(settings, GateConfig, "promotion")
    return gate


def _entry(version: RegisteredVersion, tracking_uri: str, *, smoke_failure: str | None = None) -> GateEntry:
    return GateEntry(
        label=f"{version.name} version {version.version}",
        figures=version.figures,
        per_asset=read_card_json(version, PER_ASSET_FILE, tracking_uri) or {},
        protocol=version.tags.get("protocol", ""),
        test_set=version.tags.get("test_set", ""),
        smoke_failure=smoke_failure,
    )
