"""Fetch one file over the network: retried, with a time limit, checked, put in place by rename."""

import hashlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from ltm3d.errors import AssetError

logger = logging.getLogger(__name__)

# The hub names the sha256 of a large file in the first answer, before it redirects to the storage.
HASH_HEADER = "X-Linked-Etag"
GONE = (400, 401, 403, 404, 410)


class _KeepHash(urllib.request.HTTPRedirectHandler):
    def __init__(self) -> None:
        self.sha256 = ""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Any:
        self.sha256 = headers.get(HASH_HEADER, self.sha256)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, target: Path, *, timeout_s: float, num_tries: int, pause_s: float = 1.0) -> str:
    """Fetch a file and give its sha256; nothing stands at `target` unless it is whole.

    Args:
        timeout_s: longest silence of the server.
        pause_s: wait before the second try, doubled for each further one.

    Raises:
        AssetError: `fetch_error`, after the last try.
    """
    problem = ""
    for attempt in range(num_tries):
        if attempt:
            time.sleep(pause_s * 2 ** (attempt - 1))
        try:
            return _download_once(url, target, timeout_s)
        except urllib.error.HTTPError as error:
            problem = f"{url}: HTTP {error.code}"
            if error.code in GONE:
                break
        except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and time-outs are OSErrors
            problem = f"{url}: {getattr(error, 'reason', error) or type(error).__name__}"
        logger.info("try %d of %d failed: %s", attempt + 1, num_tries, problem)
    raise AssetError("fetch_error", problem)


def _download_once(url: str, target: Path, timeout_s: float) -> str:
    keep = _KeepHash()
    digest, size = hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with urllib.request.build_opener(keep).open(url, timeout=timeout_s) as answer, part.open("wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
                digest.update(block)
                size += len(block)
            length = answer.headers.get("Content-Length")
            expected = (answer.headers.get(HASH_HEADER) or keep.sha256).strip('"').lower()
        if length is not None and int(length) != size:
            raise ValueError(f"{size} of {length} bytes came")
        if len(expected) == 64 and expected != digest.hexdigest():
            raise ValueError(f"sha256 is {digest.hexdigest()}, the server says {expected}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return digest.hexdigest()
