"""One version tried out as a server would: its files, its signature, an answer, and how long that takes."""

import base64
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltm3d.errors import ModelError
from ltm3d.registry.logged_model import INPUT_EXAMPLE, current_server
from ltm3d.registry.registration import fetch_model
from ltm3d.registry.versions import RegisteredVersion, answering

FILES = ("glb", "ply")  # an answer has one of them, in base64
MAGIC = (b"glTF", b"ply")

Fields = dict[str, tuple[str, bool]]  # name → (type, whether a request must have it)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a model takes and gives: the fields of one request and of one answer."""

    inputs: Fields = field(default_factory=dict)
    outputs: Fields = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of trying a version.

    Attributes:
        failure: what is wrong with its files or its answer, None if nothing is.
        signature: None where it has none.
        size_mb: of its weights and settings, megabytes.
        seconds: of one answer, once loaded.
    """

    failure: str | None
    signature: Signature | None = None
    size_mb: float | None = None
    seconds: float | None = None


def try_version(version: RegisteredVersion, tracking_uri: str) -> Trial:
    """Fetch a version, check its files' hash, load it as a server would, and let it answer one prompt twice."""
    import mlflow

    signature, size_mb = None, None
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder, bundle = fetch_model(version, Path(temporary), tracking_uri)
            size_mb = folder_size(bundle) / 1e6
            signature = _signature_of(mlflow.models.Model.load(str(folder)))
            model = mlflow.pyfunc.load_model(str(folder))
            model.predict(INPUT_EXAMPLE)  # the first answer also starts what the second finds ready
            started = time.monotonic()
            answer = model.predict(INPUT_EXAMPLE)[0]
            seconds = (time.monotonic() - started) / len(INPUT_EXAMPLE)
    except Exception as error:  # whatever a model does wrong is a reason not to promote it
        failure = f"it cannot be loaded or does not answer: {' '.join(str(error).split())[:300]}"
        return Trial(failure=failure, signature=signature, size_mb=size_mb)
    return Trial(failure=fault_of(answer), signature=signature, size_mb=size_mb, seconds=seconds)


def fault_of(answer: Any) -> str | None:
    """Say what is wrong with an answer, whatever kind of shape it carries."""
    given = dict(answer)
    if given.get("error"):
        return f"its answer is an error: {given['error']}"
    files = [given[name] for name in FILES if given.get(name)]
    if len(files) != 1 or not given.get("num_vertices"):
        return "its answer has no shape"
    if not base64.b64decode(files[0]).startswith(MAGIC):
        return "its answer's file is none of GLB or PLY"
    return None


def read_signature(version: RegisteredVersion, tracking_uri: str) -> Signature | None:
    """Return what a version takes and gives, or None where it says nothing of it.

    Raises:
        ModelError: its files are gone.
    """
    import mlflow

    with answering(tracking_uri), current_server(tracking_uri):
        return _signature_of(mlflow.models.get_model_info(version.uri))


def _signature_of(model: Any) -> Signature | None:
    signature = model.signature
    if signature is None or signature.inputs is None or signature.outputs is None:
        return None
    return Signature(inputs=_fields(signature.inputs), outputs=_fields(signature.outputs))


def _fields(schema: Any) -> Fields:
    columns: Sequence[Mapping[str, Any]] = schema.to_dict()
    properties = columns[0].get("properties", {}) if len(columns) == 1 else {}
    return {name: (str(each.get("type")), bool(each.get("required", True))) for name, each in properties.items()}


def incompatible(new: Signature | None, old: Signature | None) -> str | None:
    """Say why clients of `old` could not use `new`, None if they can; without `old`, why `new` is no signature.

    A new model takes all that the old one took, asks for nothing more, and gives all that the old one gave.
    """
    if new is None or not new.inputs or not new.outputs:
        return "the model does not say what it takes and gives"
    if old is None:
        return None
    for what, mine, theirs in (("takes", new.inputs, old.inputs), ("gives", new.outputs, old.outputs)):
        for name, (kind, _) in theirs.items():
            if name not in mine:
                return f"it no longer {what} {name}"
            if mine[name][0] != kind:
                return f"it {what} {name} as {mine[name][0]}, the champion as {kind}"
    asked = [name for name, (_, must) in new.inputs.items() if must and not old.inputs.get(name, ("", False))[1]]
    return f"it asks for {', '.join(asked)}, the champion does not" if asked else None


def folder_size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder}")
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
