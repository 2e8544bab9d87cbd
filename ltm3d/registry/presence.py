"""Whether a version is still in the registry, asked without MLflow's client: its import alone takes seconds."""

import base64
import json
import os
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from ltm3d.errors import ModelError
from ltm3d.registry.versions import HASH_TAG, REMOVED_TAG, answering, local_path, look_up
from ltm3d.tracking.client import absolute_uri, database_path

TIMEOUT_S = 10.0


def is_registered(name: str, version: str, weights_hash: str, tracking_uri: str) -> bool:
    """Say whether the registry has a version of a model, with this hash and with its files.

    Files are looked for where they lie on this machine; a server is believed.

    Raises:
        ModelError: the registry does not answer.
    """
    uri = absolute_uri(tracking_uri)
    path = database_path(uri)
    if path is not None:
        found = _in_database(path, name, version)
    elif uri.startswith(("http://", "https://")):
        found = _on_server(uri, name, version)
    else:
        found = _by_client(uri, name, version)
    if found is None or found["status"] != "READY":
        return False
    tags, place = found["tags"], local_path(found["place"])
    is_there = place is None or any(place.glob("artifacts/*/bundle.json"))
    return tags.get(HASH_TAG) == weights_hash and REMOVED_TAG not in tags and is_there


def _in_database(path: Path, name: str, version: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    where = "where name = ? and version = ?"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=TIMEOUT_S)) as database:
            row = database.execute(
                f"select status, storage_location, source from model_versions {where}", (name, int(version))
            ).fetchone()
            tags = dict(
                database.execute(f"select key, value from model_version_tags {where}", (name, int(version))).fetchall()
            )
    except sqlite3.Error:  # tables of another MLflow: its own client knows them, or says why not
        return _by_client(f"sqlite:///{path}", name, version)
    return None if row is None else {"status": row[0], "place": row[1] or row[2] or "", "tags": tags}


def _on_server(uri: str, name: str, version: str) -> dict[str, Any] | None:
    query = urllib.parse.urlencode({"name": name, "version": version})
    request = urllib.request.Request(f"{uri.rstrip('/')}/api/2.0/mlflow/model-versions/get?{query}")
    user, token = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user:
        pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    elif token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            found = json.load(response)["model_version"]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise ModelError(
            f"MLflow at {uri} answers {error.code} {error.reason}: check address and credentials"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"MLflow at {uri} does not answer: {error}") from error
    tags = {tag["key"]: tag.get("value", "") for tag in found.get("tags", ())}
    return {"status": found.get("status"), "place": "", "tags": tags}


def _by_client(uri: str, name: str, version: str) -> dict[str, Any] | None:
    with answering(uri) as client:
        found = look_up(client, name, alias=None, number=version)
        if found is None:
            return None
        place = client.get_model_version_download_uri(name, version)
        return {"status": found.status, "place": place, "tags": dict(found.tags)}
