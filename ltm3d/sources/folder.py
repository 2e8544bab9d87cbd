"""Any folder of meshes."""

import json
import logging
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from ltm3d.errors import AssetError, ConfigError, SourceError
from ltm3d.schema import ObjectRecord
from ltm3d.sources.captions import make_caption, read_captions, words_of
from ltm3d.sources.licences import normalize_licence
from ltm3d.sources.source import check_settings, select_records

logger = logging.getLogger(__name__)

MESH_SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """Meshes anywhere below a folder; the uid is made from the path, the category from the folder it lies in.

    Attributes:
        captions: file of id → caption; the id is the uid, the path below the root, or the file's name,
            with or without suffix.
        suffixes: which files are meshes.
        licence, attribution: hold for all objects of the folder.
        prefix: stands before each uid, so that two folders can be combined.
        category: of all objects; None = the name of the folder a file lies in, empty at the top.
    """

    root: str | Path
    captions: str | Path | None = None
    suffixes: tuple[str, ...] = MESH_SUFFIXES
    licence: str = ""
    attribution: str = ""
    prefix: str = ""
    category: str | None = None
    limit: int | None = None
    weight: float = 1.0
    licences: tuple[str, ...] | None = None
    up: str = "+y"
    front: str = "+z"

    def __post_init__(self) -> None:
        check_settings(limit=self.limit, weight=self.weight, licences=self.licences, up=self.up, front=self.front)
        unknown = [suffix for suffix in self.suffixes if suffix not in MESH_SUFFIXES]
        if unknown or not self.suffixes:
            raise ConfigError(f"suffixes {list(self.suffixes)} must be some of {', '.join(MESH_SUFFIXES)}")
        if not re.fullmatch(r"[A-Za-z0-9_-]*", self.prefix):
            raise ConfigError(f"prefix '{self.prefix}' may hold only letters, digits, - and _")

    @property
    def name(self) -> str:
        return "folder"

    def inputs(self) -> list[Path]:
        """List the root and the captions."""
        return [Path(place) for place in (self.root, self.captions) if place is not None]

    def list_objects(self) -> list[ObjectRecord]:
        """List the meshes below the root; hidden files and folders are left out."""
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise SourceError(f"there is no folder {root}: correct `root`")
        captions = read_captions(self.captions)
        by_uid: dict[str, PurePosixPath] = {}
        records = []
        for path in _find_files(root, self.suffixes):
            uid = self.prefix + _uid_of(path)
            if uid in by_uid:
                raise SourceError(
                    f"{by_uid[uid]} and {path} in {root} have one name: keep one of them, or narrow `suffixes`"
                )
            by_uid[uid] = path
            parent = path.parent.name
            category = words_of(parent) if self.category is None else self.category
            ids = (uid, str(path), str(path.with_suffix("")), path.name, path.stem)
            caption = next((captions[key] for key in ids if key in captions), "")
            records.append(
                ObjectRecord(
                    uid=uid,
                    source=self.name,
                    main_file=str(path),
                    name=path.stem,
                    category=category,
                    caption=make_caption(caption or words_of(path.stem), category),
                    licence=normalize_licence(self.licence),
                    attribution=self.attribution,
                    up=self.up,
                    front=self.front,
                )
            )
        if not records:
            raise SourceError(f"{root} holds no mesh ({', '.join(self.suffixes)}): correct `root` or `suffixes`")
        return select_records(records, source=self.name, limit=self.limit, licences=self.licences)

    def fetch(self, record: ObjectRecord) -> dict[str, bytes]:
        """Read the mesh and the files it refers to; names are paths below the root.

        Raises:
            AssetError: unreadable, or a reference leads out of the root. A referenced file that is absent is
                left out.
        """
        root = Path(self.root).expanduser().resolve()
        files: dict[str, bytes] = {}
        waiting = [PurePosixPath(record.main_file)]
        while waiting:
            path = waiting.pop()
            if str(path) in files:
                continue
            real = (root / path).resolve()
            if files and not real.is_relative_to(root):  # the mesh itself may be the user's own link
                raise AssetError("unsafe_reference", f"{record.main_file} refers to {path}, outside the source's root")
            try:
                files[str(path)] = real.read_bytes()
            except (FileNotFoundError, IsADirectoryError) as error:
                if str(path) == record.main_file:
                    raise AssetError("fetch_error", str(error)) from error
                logger.info("%s: the file %s it refers to is absent", record.uid, path)
                continue
            except (OSError, ValueError) as error:
                raise AssetError("fetch_error", str(error)) from error
            for reference in _references(path, files[str(path)]):
                joined = os.path.normpath(path.parent / reference)
                if joined.startswith("..") or os.path.isabs(joined):
                    raise AssetError("unsafe_reference", f"{path} refers to {reference}, outside the source's root")
                waiting.append(PurePosixPath(joined))
        return files

    def places(self, record: ObjectRecord, files: Mapping[str, bytes]) -> list[Path]:
        """List the mesh, and what it refers to, whether it is there or not."""
        names = {record.main_file, *files, *_all_references(files)}
        return [Path(self.root).expanduser() / name for name in sorted(names)]


def _all_references(files: Mapping[str, bytes]) -> set[str]:
    """List the paths below the root that files refer to; what leads out of it is left out."""
    found = set()
    for name, content in files.items():
        path = PurePosixPath(name)
        try:
            joined = {os.path.normpath(path.parent / reference) for reference in _references(path, content)}
        except AssetError:
            continue  # broken: it is said where the mesh is read
        found |= {each for each in joined if not each.startswith("..") and not os.path.isabs(each)}
    return found


def _find_files(root: Path, suffixes: tuple[str, ...]) -> list[PurePosixPath]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            PurePosixPath((Path(folder) / name).relative_to(root).as_posix())
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes
        ]
    return sorted(found)


def _uid_of(path: PurePosixPath) -> str:
    """Make `a--b` of `a/b.glb`; where this loses something, a hash of the path keeps the uid unique."""
    stem = str(path.with_suffix(""))
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", stem.replace("/", "--"))
    if plain.replace("--", "/") == stem:
        return plain
    return f"{plain}-{zlib.crc32(stem.encode('utf-8', 'surrogateescape')):08x}"


def _references(path: PurePosixPath, content: bytes) -> Iterator[str]:
    """List the files that an OBJ, MTL or glTF file names."""
    suffix = path.suffix.lower()
    if suffix == ".obj":
        for line in re.findall(rb"^[ \t]*mtllib[ \t]+(.+?)[ \t\r]*$", content, re.MULTILINE):
            yield _decode(line)
    elif suffix == ".mtl":
        pattern = rb"^[ \t]*(?:map_\w+|bump|disp|decal|norm|refl)[ \t]+(.+?)[ \t\r]*$"
        for line in re.findall(pattern, content, re.MULTILINE | re.IGNORECASE):
            # options such as "-s 1 1 1" and "-bm 0.5" stand before the file's name
            yield re.sub(r"^(-\w+(\s+(on|off|-?[\d.]+(e-?\d+)?|[rgbmlz]))*\s+)+", "", _decode(line))
    elif suffix == ".gltf":
        try:
            document = json.loads(content)
            items = [*document.get("buffers", ()), *document.get("images", ())]
            uris = [item["uri"] for item in items if "uri" in item]
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            raise AssetError("parse_error", f"{path}: {error}") from error
        for uri in uris:
            if not str(uri).startswith("data:"):
                yield unquote(str(uri))


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "replace").replace("\\", "/")
