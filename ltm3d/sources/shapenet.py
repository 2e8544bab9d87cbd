"""ShapeNetCore.v2 from its folder layout: `<synset>/<model>/models/model_normalized.obj`, textures in `images/`."""

import csv
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltm3d.errors import AssetError, SourceError
from ltm3d.schema import SPLITS, ObjectRecord
from ltm3d.sources.captions import make_caption, read_captions, words_of
from ltm3d.sources.licences import normalize_licence
from ltm3d.sources.source import check_settings, select_records

logger = logging.getLogger(__name__)

MESH_FILE = "models/model_normalized.obj"
LICENCE = "LicenseRef-ShapeNet"  # ShapeNet's terms of use: research and education, not for sale


@dataclass(frozen=True, kw_only=True)
class ShapenetSource:
    """Objects of ShapeNetCore.v2; the uid is `<synset>-<model>`.

    Attributes:
        synsets: ids (`03001627`) or names (`chair`) of the taxonomy; None = all that are there.
        split_file: CSV with columns synsetId, modelId, split; None = the root's `all.csv`, if it is there.
        captions: file of model id or uid → caption.
    """

    root: str | Path
    synsets: tuple[str, ...] | None = None
    split_file: str | Path | None = None
    captions: str | Path | None = None
    limit: int | None = None
    weight: float = 1.0
    licences: tuple[str, ...] | None = None
    up: str = "+y"
    front: str = "-z"

    def __post_init__(self) -> None:
        check_settings(limit=self.limit, weight=self.weight, licences=self.licences, up=self.up, front=self.front)

    @property
    def name(self) -> str:
        return "shapenet"

    def inputs(self) -> list[Path]:
        """List the root, the splits and the captions."""
        return [Path(place) for place in (self.root, self.split_file, self.captions) if place is not None]

    def list_objects(self) -> list[ObjectRecord]:
        """List the models that have a mesh file, with their official split."""
        root = self._root()
        names = _read_taxonomy(root)
        captions = read_captions(self.captions)
        splits = self._read_splits(root)
        details = _read_json(root / "metadata.json", {})  # licences and names by model, where a mirror has them
        records = []
        for synset in self._choose_synsets(root, names):
            for folder in sorted((root / synset).iterdir()):
                if not (folder / MESH_FILE).is_file():
                    logger.info("shapenet: %s/%s has no %s", synset, folder.name, MESH_FILE)
                    continue
                split, sub_synset = splits.get((synset, folder.name), ("", synset))
                detail = details.get(folder.name, {})
                category = names[synset][0]
                uid = f"{synset}-{folder.name}"
                phrase = captions.get(uid) or captions.get(folder.name) or words_of(detail.get("name", ""))
                sub_names = names.get(sub_synset, [""])
                records.append(
                    ObjectRecord(
                        uid=uid,
                        source=self.name,
                        main_file=MESH_FILE,
                        name=detail.get("name", ""),
                        category=category,
                        caption=make_caption(phrase or (sub_names[0] if sub_synset != synset else ""), category),
                        licence=normalize_licence(detail.get("licence", LICENCE)),
                        attribution=detail.get("attribution", f"ShapeNet, model {synset}/{folder.name}"),
                        split=split,
                        up=self.up,
                        front=self.front,
                    )
                )
        return select_records(records, source=self.name, limit=self.limit, licences=self.licences)

    def fetch(self, record: ObjectRecord) -> dict[str, bytes]:
        """Read the mesh, its material file and the textures beside `models/`."""
        synset, _, model = record.uid.partition("-")
        folder = Path(self.root).expanduser() / synset / model
        try:
            files = {MESH_FILE: (folder / MESH_FILE).read_bytes()}
            material = folder / "models/model_normalized.mtl"
            if material.is_file():
                files["models/model_normalized.mtl"] = material.read_bytes()
            if (folder / "images").is_dir():
                for path in sorted((folder / "images").iterdir()):
                    if path.is_file():
                        files[f"images/{path.name}"] = path.read_bytes()
        except OSError as error:
            raise AssetError("fetch_error", str(error)) from error
        return files

    def places(self, record: ObjectRecord, files: Mapping[str, bytes]) -> list[Path]:
        """List mesh, material file, the folder of textures, and the textures."""
        synset, _, model = record.uid.partition("-")
        folder = Path(self.root).expanduser() / synset / model
        names = {MESH_FILE, "models/model_normalized.mtl", "images", *files}
        return [folder / name for name in sorted(names)]

    def _root(self) -> Path:
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise SourceError(
                f"there is no ShapeNet at {root}: it is given out on request only (https://shapenet.org, or "
                "huggingface.co/datasets/ShapeNet/ShapeNetCore); unpack ShapeNetCore.v2 and set `root` to it"
            )
        return root

    def _choose_synsets(self, root: Path, names: dict[str, list[str]]) -> list[str]:
        present = sorted(synset for synset in names if (root / synset).is_dir())
        if not present:
            raise SourceError(f"{root} holds none of the synset folders of its taxonomy: unpack its archives there")
        if self.synsets is None:
            return present
        chosen = set()
        for wanted in self.synsets:
            matches = [synset for synset in present if wanted == synset or wanted.lower() == names[synset][0]]
            matches = matches or [synset for synset in present if wanted.lower() in names[synset]]
            if not matches:
                known = ", ".join(f"{synset} {names[synset][0]}" for synset in present)
                raise SourceError(f"there is no synset '{wanted}' in {root}; there are {known}")
            chosen.update(matches)
        return sorted(chosen)

    def _read_splits(self, root: Path) -> dict[tuple[str, str], tuple[str, str]]:
        """Read (synset, model) → (split, sub-synset)."""
        path = root / "all.csv" if self.split_file is None else Path(self.split_file).expanduser()
        if not path.is_file():
            if self.split_file is None:
                return {}
            raise SourceError(f"there is no split file {path}: correct `split_file` or leave it out")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        splits = {}
        for row in rows:
            try:
                synset, model, split = row["synsetId"].zfill(8), row["modelId"], row["split"]
            except (KeyError, AttributeError) as error:
                raise SourceError(f"{path} must have the columns synsetId, modelId and split in every line") from error
            if split not in SPLITS:
                raise SourceError(f"{path} names the split '{split}' for {model}: only {', '.join(SPLITS)} are known")
            splits[synset, model] = (split, (row.get("subSynsetId") or synset).zfill(8))
        return splits


def _read_taxonomy(root: Path) -> dict[str, list[str]]:
    """Read synset id → names, the usual one first."""
    taxonomy = _read_json(root / "taxonomy.json", None)
    if taxonomy is None:
        raise SourceError(f"{root} has no taxonomy.json: take it from ShapeNetCore.v2, or correct `root`")
    try:
        return {node["synsetId"]: [name.strip().lower() for name in node["name"].split(",")] for node in taxonomy}
    except (TypeError, KeyError, AttributeError) as error:
        raise SourceError(f"{root / 'taxonomy.json'} is not ShapeNet's list of synsets: copy it again") from error


def _read_json(path: Path, default: Any) -> Any:
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"{path} is broken ({error}): copy it again") from error
