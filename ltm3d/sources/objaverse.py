"""Objaverse 1.0 through the `objaverse` package, from the network or from a local mirror."""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltm3d.errors import AssetError, ConfigError, SourceError
from ltm3d.schema import ObjectRecord
from ltm3d.sources.caption_files import make_caption, read_captions, words_of
from ltm3d.sources.faults import MAX_BYTES, faulty, names_of, number_of, read_file, text_of
from ltm3d.sources.fetch_file import download
from ltm3d.sources.licences import normalize_licence
from ltm3d.sources.source import check_settings, pick_uids, select_records

logger = logging.getLogger(__name__)

URL = "https://huggingface.co/datasets/allenai/objaverse/resolve/main"
VERSION_FOLDER = "hf-objaverse-v1"
PATHS_FILE, LVIS_FILE = "object-paths.json.gz", "lvis-annotations.json.gz"
_package_lock = threading.Lock()
_object_paths: dict[tuple[Path, int], dict[str, str]] = {}  # the last one read, by file and its time


@dataclass(frozen=True, kw_only=True)
class AnnotationFilter:
    """Which objects pass, by Objaverse's annotations; an empty tuple or None asks nothing.

    Attributes:
        names, tags, categories: one of these words is in the name, is a tag, is a category (case does not count).
        max_animations: 0 leaves animated objects out.
    """

    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    min_faces: int = 0
    max_faces: int | None = None
    max_animations: int | None = None
    min_likes: int = 0
    allow_age_restricted: bool = False

    def __post_init__(self) -> None:
        if self.min_faces < 0 or (self.max_faces is not None and self.max_faces < max(self.min_faces, 1)):
            raise ConfigError(
                f"min_faces {self.min_faces} and max_faces {self.max_faces} let no object pass: raise max_faces"
            )

    def passes(self, annotation: dict[str, Any]) -> bool:
        """Say whether an object's annotation passes."""
        name = text_of(annotation.get("name")).lower()
        tags, categories = (
            {each.lower() for each in names_of(annotation.get(field))} for field in ("tags", "categories")
        )
        faces = number_of(annotation.get("faceCount"))
        return (
            (not self.names or any(word.lower() in name for word in self.names))
            and (not self.tags or any(word.lower() in tags for word in self.tags))
            and (not self.categories or any(word.lower() in categories for word in self.categories))
            and faces >= self.min_faces
            and (self.max_faces is None or faces <= self.max_faces)
            and (self.max_animations is None or number_of(annotation.get("animationCount")) <= self.max_animations)
            and number_of(annotation.get("likeCount")) >= self.min_likes
            and (self.allow_age_restricted or not annotation.get("isAgeRestricted"))
        )


@dataclass(frozen=True, kw_only=True)
class ObjaverseSource:
    """Objects of Objaverse 1.0, chosen by uid, by LVIS category or by annotation; what is given is combined.

    Attributes:
        root: folder in the package's cache layout (`hf-objaverse-v1`, or the folder around it); None = the
            package's own, `~/.objaverse`.
        download: fetch what the root lacks; False = the root is a complete mirror and is never written to.
        captions: file of uid → caption, e.g. Cap3D's.
        num_tries, timeout_s: of one download; the time limit is on the server's silence.
    """

    root: str | Path | None = None
    download: bool = False
    uids: tuple[str, ...] | None = None
    lvis_categories: tuple[str, ...] | None = None
    annotations: AnnotationFilter | None = None
    captions: str | Path | None = None
    limit: int | None = None
    weight: float = 1.0
    licences: tuple[str, ...] | None = None
    up: str = "+y"
    front: str = "+z"
    url: str = URL
    num_tries: int = 4
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        check_settings(limit=self.limit, weight=self.weight, licences=self.licences, up=self.up, front=self.front)
        if self.num_tries < 1 or self.timeout_s <= 0:
            raise ConfigError(f"num_tries {self.num_tries} must be at least 1, timeout_s {self.timeout_s} above 0")

    @property
    def name(self) -> str:
        return "objaverse"

    def inputs(self) -> list[Path]:
        """List the mirror and the captions; a folder that downloads go to holds what does not change."""
        captions = [] if self.captions is None else [Path(self.captions)]
        return captions if self.download else [self._folder(), *captions]

    def list_objects(self) -> list[ObjectRecord]:
        """List the selected objects; reads annotations of the candidates, no mesh. One without is listed as faulty."""
        captions = read_captions(self.captions)
        paths = self._object_paths()
        lvis = self._lvis_categories()
        uids = self._candidates(paths, lvis)
        if self.annotations is None and self.licences is None and self.limit is not None:
            uids = pick_uids(uids, self.limit)  # no filter needs the others' annotations
        records = [
            self._record(uid, annotation, lvis.get(uid, ""), captions)
            for uid, annotation in self._load_annotations(uids, paths).items()
            if self.annotations is None or not isinstance(annotation, dict) or self.annotations.passes(annotation)
        ]
        return select_records(records, source=self.name, limit=self.limit, licences=self.licences)

    def fetch(self, record: ObjectRecord) -> dict[str, bytes]:
        """Read the object's GLB, from the mirror or from the network."""
        relative = self._object_paths().get(record.uid)
        if relative is None:
            raise AssetError("fetch_error", f"{record.uid} is not in {self._folder() / PATHS_FILE}")
        path = self._folder() / relative
        if not path.is_file():
            if not self.download:
                raise AssetError("fetch_error", f"{path} is missing in the mirror")
            self._download(relative)
        try:
            return {record.main_file: read_file(path, left=MAX_BYTES)}
        except OSError as error:
            raise AssetError("fetch_error", str(error)) from error

    def places(self, record: ObjectRecord, files: Mapping[str, bytes]) -> list[Path]:
        """List the GLB in a mirror; what a download fetched stays as it is."""
        relative = self._object_paths().get(record.uid)
        return [] if self.download or relative is None else [self._folder() / relative]

    def _download(self, file: str) -> None:
        if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on"):
            raise SourceError("HF_HUB_OFFLINE is set, so Objaverse is not fetched: unset it, or use a whole mirror")
        target = self._folder() / file
        sha256 = download(f"{self.url}/{file}", target, timeout_s=self.timeout_s, num_tries=self.num_tries)
        logger.debug("fetched %s, sha256 %s", file, sha256)

    def _folder(self) -> Path:
        import objaverse

        root = Path(objaverse.BASE_PATH) if self.root is None else Path(self.root).expanduser()
        inner = root / VERSION_FOLDER
        if (root / PATHS_FILE).is_file() or root.name == VERSION_FOLDER:
            return root
        return inner if inner.is_dir() or self.download else root

    def _object_paths(self) -> dict[str, str]:
        path = self._folder() / PATHS_FILE
        stamp = path.stat().st_mtime_ns if path.is_file() else 0
        if (path, stamp) not in _object_paths:  # 800,000 entries in the whole of Objaverse
            paths = self._read(PATHS_FILE, "_load_object_paths")
            _object_paths.clear()
            _object_paths[path, path.stat().st_mtime_ns] = paths
            return paths
        return _object_paths[path, stamp]

    def _read(self, file: str, loader: str, *arguments: Any) -> Any:
        """Have the package read one of its index files, which is fetched first where it may be."""
        folder = self._folder()
        path = folder / file
        if not path.is_file():
            if not self.download:
                raise SourceError(
                    f"there is no Objaverse mirror at {folder} ({file} is missing): set `root` to a folder in the "
                    "objaverse package's cache layout, or `download: true` to fetch it"
                )
            try:
                self._download(file)
            except AssetError as error:
                raise SourceError(
                    f"Objaverse cannot be fetched ({error.detail}): connect to the network, or set `root` to a mirror"
                ) from error
        with _package_at(folder) as package:
            try:
                read = getattr(package, loader)(*arguments)
                if not isinstance(read, dict):
                    raise ValueError(f"it holds a {type(read).__name__}, not an object")
                return read
            except (OSError, EOFError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
                raise SourceError(f"{path} is broken ({error}): delete it and fetch it again") from error

    def _lvis_categories(self) -> dict[str, str]:
        """Read the LVIS category of each object that has one; a mirror may lack the file unless it is asked for."""
        if self.lvis_categories is None and not self.download and not (self._folder() / LVIS_FILE).is_file():
            return {}
        by_category = self._read(LVIS_FILE, "load_lvis_annotations")
        return {uid: category.replace("_", " ").lower() for category, uids in by_category.items() for uid in uids}

    def _candidates(self, paths: dict[str, str], lvis: dict[str, str]) -> list[str]:
        """List the uids that the uid list and the LVIS categories leave, sorted."""
        uids = set(paths)
        if self.uids is not None:
            wanted = {uid.removesuffix(".glb") for uid in self.uids}
            absent = sorted(wanted - uids)
            if absent:
                raise SourceError(
                    f"{len(absent)} of {len(wanted)} uids are not in this Objaverse, {absent[0]} first: "
                    "correct `uids`, or use a root that holds them"
                )
            uids = wanted
        if self.lvis_categories is not None:
            wanted = {category.replace("_", " ").lower() for category in self.lvis_categories}
            unknown = sorted(wanted - set(lvis.values()))
            if unknown:
                known = ", ".join(sorted(set(lvis.values()))[:12])
                raise SourceError(f"there is no LVIS category {', '.join(unknown)} here; there are {known} ...")
            uids = {uid for uid in uids if lvis.get(uid) in wanted}
        if not uids:
            raise SourceError("the source objaverse selects no object: no uid is in one of lvis_categories")
        return sorted(uids)

    def _load_annotations(self, uids: list[str], paths: dict[str, str]) -> dict[str, Any]:
        """Read the annotations of candidates, folder by folder; of an object without one, what is wrong, as a text."""
        folders: dict[str, list[str]] = {}
        found: dict[str, Any] = {}
        for uid in uids:
            pieces = paths[uid].split("/") if isinstance(paths[uid], str) else []
            if len(pieces) == 3 and ".." not in pieces:
                folders.setdefault(pieces[1], []).append(uid)
            else:
                found[uid] = f"{PATHS_FILE} has no path glbs/<folder>/<uid>.glb for it"
        for folder, members in sorted(folders.items()):
            file = f"metadata/{folder}.json.gz"
            try:
                annotations = self._read(file, "load_annotations", members)
            except SourceError as error:
                if self.download:
                    raise
                found |= dict.fromkeys(members, str(error))
                continue
            for uid in members:
                annotation = annotations.get(uid)
                found[uid] = annotation if isinstance(annotation, dict) else f"it has no annotation in {file}"
        faults = sum(isinstance(each, str) for each in found.values())
        if faults:
            logger.warning("objaverse: %d of %d objects have no annotation", faults, len(uids))
        return dict(sorted(found.items()))

    def _record(
        self, uid: str, annotation: dict[str, Any] | str, lvis_category: str, captions: dict[str, str]
    ) -> ObjectRecord:
        if isinstance(annotation, str):
            return faulty(self._record(uid, {}, lvis_category, captions), "bad_row", annotation)
        categories = names_of(annotation.get("categories"))
        category = lvis_category or (words_of(categories[0]) if categories else "")
        title = text_of(annotation.get("name"))
        licence = normalize_licence(text_of(annotation.get("licence")) or text_of(annotation.get("license")))
        user = annotation.get("user")
        user = user if isinstance(user, dict) else {}
        author = text_of(user.get("displayName")) or text_of(user.get("username")) or "an unnamed author"
        place = text_of(annotation.get("viewerUrl")) or "Objaverse"
        credit = f'"{title}" by {author}, {place}, {licence or "unknown licence"}'
        return ObjectRecord(
            uid=uid,
            source=self.name,
            main_file="model.glb",
            name=title,
            category=category,
            caption=make_caption(captions.get(uid) or words_of(title), category),
            licence=licence,
            attribution=text_of(annotation.get("attribution")) or credit,
            up=self.up,
            front=self.front,
        )


@contextmanager
def _package_at(folder: Path) -> Iterator[Any]:
    """Point the `objaverse` package, which knows one root only, at a folder."""
    import objaverse

    with _package_lock:
        before = objaverse.BASE_PATH, objaverse._VERSIONED_PATH
        objaverse.BASE_PATH, objaverse._VERSIONED_PATH = str(folder.parent), str(folder)
        try:
            yield objaverse
        finally:
            objaverse.BASE_PATH, objaverse._VERSIONED_PATH = before
