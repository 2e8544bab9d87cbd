"""The receipt of a registration, and whether the registry still has what it names: else DVC starts `register` again."""

import json
import logging
import uuid
from pathlib import Path

from ltm3d.errors import ModelError
from ltm3d.registry.presence import is_registered
from ltm3d.registry.versions import HASH_TAG, RegisteredVersion
from ltm3d.tracking.client import absolute_uri

logger = logging.getLogger(__name__)


def write_receipt(path: Path, version: RegisteredVersion) -> None:
    """Write what was registered; the same model with the same metrics gives the same bytes in the same registry."""
    named = ("data_hash", "tokenizer_hash", "protocol", "test_set", "references", "recipe")
    receipt = {
        "model": version.name,
        "version": version.version,
        "uri": version.uri,
        "weights_hash": version.tags[HASH_TAG],
        **{name: version.tags[name] for name in named},
        "metrics": version.metrics,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(receipt, indent=2, sort_keys=True) + "\n")


def registry_mark(receipt: Path, before: str, tracking_uri: str) -> str:
    """Return a text that DVC compares: the one of before while the registry has the receipt's version, else a new one.

    Without a receipt nothing was registered yet, and a registry that does not answer is asked another time.
    """
    try:
        content = json.loads(receipt.read_text(encoding="utf-8"))
        name, version, weights = (str(content[key]) for key in ("model", "version", "weights_hash"))
    except (OSError, ValueError, KeyError):
        return before
    try:
        if is_registered(name, version, weights, tracking_uri):
            return before
    except ModelError as error:
        logger.warning("it is not known whether models:/%s/%s is registered: %s", name, version, error)
        return before
    logger.info("models:/%s/%s is not in %s: it is registered again", name, version, absolute_uri(tracking_uri))
    return uuid.uuid4().hex
