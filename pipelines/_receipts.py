"""Whether the registry has what the receipts name: where it has not, DVC is to start `register` again."""

import json
import logging
import uuid
from pathlib import Path

from ltm3d.errors import ModelError
from ltm3d.registry.presence import is_registered
from ltm3d.tracking.client import absolute_uri

logger = logging.getLogger(__name__)


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
