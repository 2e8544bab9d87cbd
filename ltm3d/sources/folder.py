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
from ltm3d.mesh_io.mtl import parse_mtl
from ltm3d.mesh_io.obj import decode_text, library_names
from ltm3d.mesh_io.ply_file import texture_name
from ltm3d.schema import ObjectRecord
from ltm3d.sources.caption_files import make_caption, named, read_captions, words_of
from ltm3d.sources.faults import MAX_BYTES, faulty, printable, read_file
from ltm3d.sources.licences import normalize_licence
from ltm3d.sources.source import check_settings, select_records

logger = logging.getLogger(__name__)

MESH_SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")
_MAX_UID = 100  # characters of a path; a hash follows where it is longer


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
        """List the meshes below the root; hidden files and folders are left out.

        What is called like a mesh and cannot be read is listed as faulty: pipes, names that are not UTF-8, linked
        folders that lead out of the root.
        """
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise SourceError(f"there is no folder {root}: correct `root`")
        captions = read_captions(self.captions)
        paths, faults = _find_files(root, self.suffixes)
        uids = _uids_of(paths, self.suffixes)
        records = []
        for path in paths:
            uid = self.prefix + uids[path]
            parent = words_of(printable(path.parent.name))
            category = parent if self.category is None else self.category
            ids = (uid, str(path), str(path.with_suffix("")), path.name, path.stem)
            caption = next((captions[key] for key in ids if key in captions), "")
            name = printable(path.stem)
            record = ObjectRecord(
                uid=uid,
                source=self.name,
                main_file=printable(str(path)),
                name=name,
                category=category,
                caption=make_caption(caption or named(words_of(name)), category),
                licence=normalize_licence(self.licence),
                attribution=self.attribution,
                up=self.up,
                front=self.front,
            )
            if path in faults:
                record = faulty(record, *faults[path])
            elif record.main_file != str(path):
                problem = f"the name {str(path)!a} is not UTF-8, or holds control characters: rename it"
                record = faulty(record, "bad_row", problem)
            records.append(record)
        if not records:
            raise SourceError(f"{root} holds no mesh ({', '.join(self.suffixes)}): correct `root` or `suffixes`")
        return select_records(records, source=self.name, limit=self.limit, licences=self.licences)

    def fetch(self, record: ObjectRecord) -> dict[str, bytes]:
        """Read the mesh and the files it refers to; names are paths below the root.

        A referenced file that is absent, or that colours the mesh alone and leads out of the root, is left out: the
        reader notes what it lacks.

        Raises:
            AssetError: unreadable or too large, or geometry leads out of the root.
        """
        root = Path(self.root).expanduser().resolve()
        files: dict[str, bytes] = {}
        left = MAX_BYTES
        waiting = [(PurePosixPath(record.main_file), True)]
        while waiting:
            path, is_geometry = waiting.pop()
            if str(path) in files:
                continue
            try:
                real = (root / path).resolve()
                if files and not real.is_relative_to(root):  # the mesh itself may be the user's own link
                    raise AssetError(
                        "unsafe_reference", f"{record.main_file} refers to {path}, outside the source's root"
                    )
                if not files:
                    files[str(path)] = read_file(real, left=left)
                elif real.is_file() or (real := _in_other_case(root, path)).is_file():
                    path = PurePosixPath(real.relative_to(root).as_posix())
                    files[str(path)] = read_file(real, left=left)
                else:
                    logger.info("%s: the file %s it refers to is absent", record.uid, path)
                    continue
            except AssetError as error:
                if not files or is_geometry:
                    raise
                logger.info("%s: %s", record.uid, error)
                continue
            except (OSError, ValueError, RuntimeError) as error:
                if not files or is_geometry:
                    raise AssetError("fetch_error", str(error)) from error
                continue
            left -= len(files[str(path)])
            for reference, of_geometry in _references(path, files[str(path)]):
                joined = os.path.normpath(path.parent / reference)
                if joined.startswith("..") or os.path.isabs(joined):
                    if of_geometry:
                        raise AssetError("unsafe_reference", f"{path} refers to {reference}, outside the source's root")
                    continue
                waiting.append((PurePosixPath(joined), of_geometry))
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
            joined = {os.path.normpath(path.parent / reference) for reference, _ in _references(path, content)}
        except AssetError:
            continue  # broken: it is said where the mesh is read
        found |= {each for each in joined if not each.startswith("..") and not os.path.isabs(each)}
    return found


Faults = dict[PurePosixPath, tuple[str, str]]


def _find_files(root: Path, suffixes: tuple[str, ...]) -> tuple[list[PurePosixPath], Faults]:
    """List what is called like a mesh below a root, and what of it cannot be read, with reason and detail.

    Linked folders inside the root are entered where nothing else leads to them; those that lead out are faults.
    """
    found: list[PurePosixPath] = []
    faults: Faults = {}
    real_root = root.resolve()
    seen = {real_root}
    hidden: list[PurePosixPath] = []
    for folder, folders, names in os.walk(root, followlinks=True):
        here = PurePosixPath(Path(folder).relative_to(root).as_posix())
        entered = []
        for name in sorted(folders):
            place = Path(folder) / name
            if name.startswith("."):
                continue
            real = place.resolve()
            if place.is_symlink() and not real.is_relative_to(real_root):
                found.append(here / name)
                faults[here / name] = (
                    "unsafe_reference",
                    f"the linked folder {name} leads out of the root: make it a source",
                )
            elif place.is_symlink():
                if real not in seen and not any(real_root / part == real for part in [*here.parents, here]):
                    logger.info("%s: the linked folder %s leads to %s, which is listed there", root, here / name, real)
            else:
                seen.add(real)
                entered.append(name)
                if place.suffix.lower() in suffixes and not any(place.iterdir()):
                    found.append(here / name)
                    faults[here / name] = ("bad_row", f"{name} is an empty folder, not a mesh")
        folders[:] = entered
        meshes = [here / name for name in names if Path(name).suffix.lower() in suffixes]
        hidden += [path for path in meshes if path.name.startswith(".")]
        found += [path for path in meshes if not path.name.startswith(".")]
    if hidden:
        first = printable(str(min(hidden, key=os.fsencode)))
        logger.info("%s: %d hidden files are left out, e.g. %s: rename those that are meshes", root, len(hidden), first)
    return sorted(found, key=os.fsencode), faults


def _uids_of(paths: list[PurePosixPath], suffixes: tuple[str, ...]) -> dict[PurePosixPath, str]:
    """Name each path; of several that differ in the suffix alone, all but the first kind keep it in their names."""
    order = {suffix: number for number, suffix in enumerate(suffixes)}
    uids: dict[PurePosixPath, str] = {}
    taken: set[str] = set()
    for path in sorted(paths, key=lambda path: (order.get(path.suffix.lower(), len(order)), os.fsencode(path))):
        uid = _uid_of(str(path.with_suffix("")))
        uids[path] = uid if uid not in taken else _uid_of(str(path))
        taken.add(uids[path])
    return uids


def _uid_of(stem: str) -> str:
    """Make `a--b` of `a/b`; where this loses something, a hash of the path keeps the uid unique."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", stem.replace("/", "--"))
    if plain.replace("--", "/") == stem and len(plain) <= _MAX_UID:
        return plain
    return f"{plain[:_MAX_UID]}-{zlib.crc32(stem.encode('utf-8', 'surrogateescape')):08x}"


def _in_other_case(root: Path, path: PurePosixPath) -> Path:
    """Return the file that differs from a name in letter case alone, as Windows takes it; else the name's own path."""
    folder = root / path.parent
    same = (
        [entry for entry in folder.iterdir() if entry.name.casefold() == path.name.casefold()]
        if folder.is_dir()
        else []
    )
    found = min(same, default=root / path).resolve()
    return found if found.is_relative_to(root) else root / path


def _references(path: PurePosixPath, content: bytes) -> Iterator[tuple[str, bool]]:
    """List the files that an OBJ, MTL, PLY or glTF file names, and whether geometry is in them."""
    suffix = path.suffix.lower()
    if suffix == ".obj":
        for names in library_names(decode_text(content)):
            yield from ((name, False) for name in dict.fromkeys([names, *names.split()]))
    elif suffix == ".mtl":
        for material in parse_mtl(decode_text(content)).values():
            if material.picture is not None:
                yield material.picture.name.replace("\\", "/"), False
    elif suffix == ".ply":
        name = texture_name(content)
        if name is not None:
            yield name.replace("\\", "/"), False
    elif suffix == ".gltf":
        try:
            document = json.loads(content)
            for kind in ("buffers", "images"):
                for uri in [item["uri"] for item in document.get(kind, ()) if "uri" in item]:
                    if not str(uri).startswith("data:"):
                        yield unquote(str(uri)), kind == "buffers"
        except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
            raise AssetError("parse_error", f"{path}: {error}") from error
