"""The project's own errors. A message names the value, the limit and the remedy."""


class Ltm3dError(Exception):
    """Something a user can mend; the command line prints the message without a traceback."""


class ConfigError(Ltm3dError, ValueError):
    """A setting is unknown, missing or out of its range."""


class SourceError(Ltm3dError):
    """A source cannot give its objects: no network, missing root, licence-gated data."""


class DataError(Ltm3dError):
    """What a stage reads is missing, empty or of another make than it expects."""


class StorageError(Ltm3dError):
    """A disk has no room, or cannot be written."""


class ModelError(Ltm3dError):
    """A model cannot be found, read or trusted."""


class PromptError(Ltm3dError, ValueError):
    """An image or a text prompt cannot be used."""


class AssetError(Exception):
    """One asset is bad; it becomes a row in the ledger and never stops a stage.

    Args:
        reason: one of `schema.REASONS`.
        detail: what was seen, for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason
