"""What a registry has: the versions of each model with their aliases; which one answers, and what is newer."""

from collections.abc import Mapping
from dataclasses import dataclass

from ltm3d.registry.versions import CHALLENGER, REMOVED_TAG, RegisteredVersion, answering, list_versions

PREFIX = "ltm3d-"
MAX_NAMED = 3


@dataclass(frozen=True)
class ListedVersion:
    """A version, and the aliases that name it."""

    record: RegisteredVersion
    aliases: tuple[str, ...]

    @property
    def label(self) -> str:
        """What people call it: name, number, aliases."""
        aliases = f" ({', '.join(self.aliases)})" if self.aliases else ""
        return f"{self.record.name} version {self.record.version}{aliases}"

    @property
    def representation(self) -> str:
        """The last part of the model's name."""
        return self.record.name.rpartition("-")[2]


def list_registry(tracking_uri: str) -> list[ListedVersion]:
    """List the versions of this project's models whose files are kept, model by model, the newest first."""
    found = []
    with answering(tracking_uri) as client:
        for model in sorted(client.search_registered_models(), key=lambda model: str(model.name)):
            if model.name.startswith(PREFIX):
                aliases = _by_version(model.aliases)
                kept = [record for record in list_versions(client, model.name) if REMOVED_TAG not in record.tags]
                found += [ListedVersion(record, aliases.get(record.version, ())) for record in kept]
    return found


def _by_version(aliases: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {
        str(number): tuple(sorted(alias for alias, named in aliases.items() if named == number))
        for number in aliases.values()
    }


def describe_choice(used: RegisteredVersion, tracking_uri: str) -> str:
    """Say in one line which version answers, and which challengers of the same representation are newer.

    Args:
        used: the version that answers.
    """
    listed = list_registry(tracking_uri)
    chosen = next((each for each in listed if each.record.uri == used.uri), ListedVersion(used, ()))
    newer = [
        each
        for each in sorted(listed, key=lambda each: each.record.created, reverse=True)
        if CHALLENGER in each.aliases
        and each.representation == chosen.representation
        and each.record.created > used.created
    ]
    told = [f"{each.label}, --model models:/{each.record.name}@{CHALLENGER}" for each in newer[:MAX_NAMED]]
    return chosen.label + ("; newer: " + "; ".join(told) if told else "")
