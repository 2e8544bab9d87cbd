"""ShapeNetCore.v2 from its folder layout: `<synset>/<model>/models/model_normalized.obj`, textures in `images/`."""

import csv
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltm3d.errors import AssetError, SourceError
from ltm3d.schema import SPLITS, ObjectRecord
from ltm3d.sources.caption_files import make_caption, read_captions, words_of
from ltm3d.sources.faults import MAX_BYTES, faulty, read_file, text_of
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
        """List the models with their official split; one without its mesh file, or in an unknown split, as faulty.

        Synsets that the taxonomy does not know are listed with an empty category.
        """
        root = self._root()
        names = _read_taxonomy(root)
        captions = read_captions(self.captions)
        splits = self._read_splits(root)
        details = _read_json(root / "metadata.json", {})  # licences and names by model, where a mirror has them
        records = []
        for synset in self._choose_synsets(root, names):
            for folder in sorted(entry for entry in (root / synset).iterdir() if entry.is_dir()):
                split, sub_synset = splits.get((synset, folder.name), ("", synset))
                detail = details.get(folder.name) if isinstance(details.get(folder.name), dict) else {}
                category = names.get(synset, [""])[0]
                uid = f"{synset}-{folder.name}"
                phrase = captions.get(uid) or captions.get(folder.name) or words_of(text_of(detail.get("name")))
                sub_names = names.get(sub_synset, [""])
                record = ObjectRecord(
                    uid=uid,
                    source=self.name,
                    main_file=MESH_FILE,
                    name=text_of(detail.get("name")),
                    category=category,
                    caption=make_caption(phrase or (sub_names[0] if sub_synset != synset else ""), category),
                    licence=normalize_licence(text_of(detail.get("licence")) or LICENCE),
                    attribution=text_of(detail.get("attribution")) or f"ShapeNet, model {synset}/{folder.name}",
                    split=split if split in SPLITS else "",
                    up=self.up,
                    front=self.front,
                )
                if not (folder / MESH_FILE).is_file():
                    record = faulty(record, "bad_row", f"{synset}/{folder.name} has no {MESH_FILE}")
                elif split not in ("", *SPLITS):
                    record = faulty(record, "bad_row", f"the split {split!r} is none of {', '.join(SPLITS)}")
                records.append(record)
        return select_records(records, source=self.name, limit=self.limit, licences=self.licences)

    def fetch(self, record: ObjectRecord) -> dict[str, bytes]:
        """Read the mesh, its material file and the textures beside `models/`."""
        synset, _, model = record.uid.partition("-")
        root = Path(self.root).expanduser().resolve()
        folder = root / synset / model
        paths = [folder / MESH_FILE, folder / "models/model_normalized.mtl"]
        files: dict[str, bytes] = {}
        left = MAX_BYTES
        try:
            if (folder / "images").is_dir():
                paths += sorted((folder / "images").iterdir())
            for path in paths:
                name = path.relative_to(folder).as_posix()
                if name != MESH_FILE and not path.is_file():
                    continue
                if name != MESH_FILE and not path.resolve().is_relative_to(root):
                    logger.info("%s: %s leads out of the source's root and is left out", record.uid, name)
                    continue
                files[name] = read_file(path, left=left)
                left -= len(files[name])
        except (OSError, ValueError) as error:
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
        known = {synset for synset in names if (root / synset).is_dir()}
        if not known:
            raise SourceError(f"{root} holds none of the synset folders of its taxonomy: unpack its archives there")
        unknown = {
            entry.name for entry in root.iterdir() if re.fullmatch(r"\d{8}", entry.name) and entry.is_dir()
        } - known
        if unknown:
            logger.warning("shapenet: the taxonomy does not know %s; no category", ", ".join(sorted(unknown)))
        present = sorted(known | unknown)
        if self.synsets is None:
            return present
        chosen, absent = set(), []
        for wanted in self.synsets:
            matches = [synset for synset in present if wanted == synset or wanted.lower() == names.get(synset, [""])[0]]
            matches = matches or [synset for synset in present if wanted.lower() in names.get(synset, ())]
            chosen.update(matches)
            absent += [] if matches else [f"'{wanted}'"]
        if absent:
            there = ", ".join(f"{synset} {names.get(synset, [''])[0]}".strip() for synset in present)
            raise SourceError(f"there is no synset {', '.join(absent)} in {root}; there are {there}")
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
        splits, num_short = {}, 0
        if rows and not {"synsetId", "modelId", "split"} <= set(rows[0]):
            raise SourceError(f"{path} must have the columns synsetId, modelId and split")
        for row in rows:
            synset, model, split = row["synsetId"], row["modelId"], row["split"]
            if not synset or not model or split is None:
                num_short += 1
                continue
            splits[synset.zfill(8), model] = (split, (row.get("subSynsetId") or synset).zfill(8))
        if num_short:
            logger.warning("%s: %d of %d lines are too short, and left out", path, num_short, len(rows))
        return splits


def _read_taxonomy(root: Path) -> dict[str, list[str]]:
    """Read synset id → names, the usual one first."""
    taxonomy = _read_json(root / "taxonomy.json", None)
    if taxonomy is None:
        raise SourceError(f"{root} has no taxonomy.json: take it from ShapeNetCore.v2, or correct `root`")
    try:
        return {
            node["synsetId"]: [name.strip().lower() for name in text_of(node.get("name")).split(",")]
            for node in taxonomy
        }
    except (TypeError, KeyError, AttributeError) as error:
        raise SourceError(f"{root / 'taxonomy.json'} is not ShapeNet's list of synsets: copy it again") from error


def _read_json(path: Path, default: Any) -> Any:
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is broken ({error}): copy it again") from error
