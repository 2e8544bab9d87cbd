"""Move the alias `champion` to the challenger that passes the gate, and back."""

import json
import logging
from dataclasses import replace
from pathlib import Path

from ltm3d.errors import ModelError
from ltm3d.registry.committed import Committed, find_committed, head_of
from ltm3d.registry.gate import GateConfig, GateDecision, GateEntry, GateRow, decide
from ltm3d.registry.lock import model_lock
from ltm3d.registry.trial import Trial, incompatible, read_signature, try_version
from ltm3d.registry.versions import (
    CHALLENGER,
    CHAMPION,
    COMMITTED_TAG,
    PREVIOUS_CHAMPION,
    RegisteredVersion,
    answering,
    get_version_by_alias,
    read_card_json,
    set_alias,
    set_version_tag,
)
from ltm3d.settings import convert

log = logging.getLogger(__name__)

PER_ASSET_FILE = "per_asset.json"
GATE_FILE = "gate.json"
MADE_OF_FILE = "provenance.json"  # of the card: what each stage that made the version was made of
MEASURED_WITH_FILE = "measured_with.json"  # the same of the stages that measured it; a new evaluation replaces it
MAX_ROUNDS = 3  # decisions anew, where others move aliases meanwhile


def promote(
    name: str,
    gate: GateConfig | None,
    tracking_uri: str,
    *,
    dry_run: bool = False,
    repository: Path = Path(),
    new_test_set: bool = False,
) -> GateDecision:
    """Let the challenger answer a prompt, hold it against the champion, and move the alias if it passes.

    The champion before is kept as `previous_champion`; the decision is written to the challenger's tag `gate`. Several
    promotions at once follow each other: what was decided counts only while both aliases name what it was about.

    Args:
        gate: the rule; the one that was registered with the challenger if None.
        dry_run: decide only, change nothing.
        repository: a checkout that has the commit which the version names.
        new_test_set: let the challenger pass where the champion was measured otherwise, see `decide`.

    Raises:
        ModelError: there is no challenger, it came without a rule, or the registry does not answer.
    """
    for _ in range(MAX_ROUNDS):
        challenger, champion = _pair(name, tracking_uri)
        if challenger is None:
            raise ModelError(f"model {name} has no challenger in {tracking_uri}; `dvc repro` registers one")
        if champion is not None and champion.version == challenger.version:
            row = GateRow(
                check="challenger", challenger=None, limit=None, passed=True, note=f"{champion.uri} is champion already"
            )
            return GateDecision(passed=True, reasons=(row.note,), table=(row,))
        code = _find_code(challenger, tracking_uri, repository)
        decision = _decide(challenger, champion, gate, code, tracking_uri, new_test_set=new_test_set)
        if dry_run or _carry_out(decision, challenger, champion, code, tracking_uri):
            return decision
        log.info("the aliases of %s moved meanwhile; it is decided anew", name)
    raise ModelError(f"the aliases of {name} move all the time; stop the other promotions and try again")


def _pair(name: str, tracking_uri: str) -> tuple[RegisteredVersion | None, RegisteredVersion | None]:
    return (
        get_version_by_alias(name, CHALLENGER, tracking_uri),
        get_version_by_alias(name, CHAMPION, tracking_uri),
    )


def _decide(
    challenger: RegisteredVersion,
    champion: RegisteredVersion | None,
    gate: GateConfig | None,
    code: Committed,
    tracking_uri: str,
    *,
    new_test_set: bool,
) -> GateDecision:
    trial = try_version(challenger, tracking_uri)
    old_signature = None
    if champion is not None:
        try:
            old_signature = read_signature(champion, tracking_uri)
        except ModelError as error:
            log.warning("the champion's signature cannot be read, the challenger's is not compared: %s", error)
    entry = _entry(challenger, tracking_uri, trial, incompatible(trial.signature, old_signature))
    return decide(
        replace(entry, source_failure=code.failure, source_note=code.note),
        None if champion is None else _entry(champion, tracking_uri),
        gate or _registered_gate(challenger, tracking_uri),
        new_test_set=new_test_set,
    )


def _carry_out(
    decision: GateDecision,
    challenger: RegisteredVersion,
    champion: RegisteredVersion | None,
    code: Committed,
    tracking_uri: str,
) -> bool:
    """Write the decision and move the aliases; False, and nothing is changed, where they have moved meanwhile."""
    name = challenger.name
    summary = json.dumps({"passed": decision.passed, "reasons": decision.reasons})
    with answering(tracking_uri) as client, model_lock(client, name) as check:
        now = [None if each is None else each.version for each in _pair(name, tracking_uri)]
        if now != [challenger.version, None if champion is None else champion.version]:
            return False
        check()
        set_version_tag(challenger, "gate", summary, tracking_uri)
        if code.failure is None and code.commit != challenger.tags.get("git_commit"):
            set_version_tag(challenger, COMMITTED_TAG, code.commit, tracking_uri)
        if decision.passed:
            if champion is not None:
                check()
                set_alias(name, PREVIOUS_CHAMPION, champion.version, tracking_uri)
            check()
            set_alias(name, CHAMPION, challenger.version, tracking_uri)
            log.info("%s is the champion now", challenger.uri)
    return True


def roll_back(name: str, tracking_uri: str, *, dry_run: bool = False) -> tuple[RegisteredVersion, RegisteredVersion]:
    """Make the champion before champion again; rolling back twice undoes it. Return (champion, the one that leaves).

    Raises:
        ModelError: there is no champion, or none before it.
    """
    if dry_run:
        return _rollback_pair(name, tracking_uri)
    if get_version_by_alias(name, CHAMPION, tracking_uri) is None:
        _rollback_pair(name, tracking_uri)
    with answering(tracking_uri) as client, model_lock(client, name) as check:
        previous, champion = _rollback_pair(name, tracking_uri)
        check()
        set_alias(name, CHAMPION, previous.version, tracking_uri)
        check()
        set_alias(name, PREVIOUS_CHAMPION, champion.version, tracking_uri)
    log.info("%s is the champion again", previous.uri)
    return previous, champion


def _rollback_pair(name: str, tracking_uri: str) -> tuple[RegisteredVersion, RegisteredVersion]:
    champion = get_version_by_alias(name, CHAMPION, tracking_uri)
    previous = get_version_by_alias(name, PREVIOUS_CHAMPION, tracking_uri)
    if champion is None or previous is None or champion.version == previous.version:
        missing = "champion" if champion is None else "champion before the present one"
        raise ModelError(f"model {name} has no {missing} in {tracking_uri}; there is nothing to roll back to")
    return previous, champion


def _registered_gate(version: RegisteredVersion, tracking_uri: str) -> GateConfig:
    settings = read_card_json(version, GATE_FILE, tracking_uri)
    if settings is None:
        raise ModelError(f"{version.uri} was registered without {GATE_FILE}; register it again, or give the gate")
    gate: GateConfig = convert(settings, GateConfig, "promotion")
    return gate


def _entry(
    version: RegisteredVersion, tracking_uri: str, trial: Trial | None = None, signature_failure: str | None = None
) -> GateEntry:
    return GateEntry(
        label=f"{version.name} version {version.version}",
        metrics=version.metrics,
        per_asset=read_card_json(version, PER_ASSET_FILE, tracking_uri) or {},
        protocol=version.tags.get("protocol", ""),
        test_set=version.tags.get("test_set", ""),
        references=version.tags.get("references", ""),
        smoke_failure=None if trial is None else trial.failure,
        signature_failure=signature_failure,
        size_mb=None if trial is None else trial.size_mb,
        seconds=None if trial is None else trial.seconds,
    )


def _find_code(version: RegisteredVersion, tracking_uri: str, repository: Path) -> Committed:
    """Look for the code that made and measured a version: in the commits that it names, then in the one here."""
    made = read_card_json(version, MADE_OF_FILE, tracking_uri) or {}
    measured = read_card_json(version, MEASURED_WITH_FILE, tracking_uri) or {}
    named = [version.tags[tag] for tag in (COMMITTED_TAG, "git_commit") if tag in version.tags]
    here = head_of(repository)
    later = [record["git_commit"] for records in measured.values() for record in records]
    return find_committed(
        {**made, **measured} if made else {}, [*named, *later, *([here] if here else [])], repository=repository
    )
