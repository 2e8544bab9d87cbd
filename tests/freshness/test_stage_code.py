"""Every stage has a key of its code: what may change its results changes it, and nothing else does."""

import json
import random
from pathlib import Path

import pytest
from imports import REPOSITORY
from source_copy import change_a_constant, change_comments_and_layout, copy_sources

from ltm3d.errors import ConfigError
from ltm3d.freshness.records import RECORDS_FILE, SameResults, write_records
from ltm3d.freshness.stage_code import CodeReader, StageCode, code_of, libraries_of, read_note
from ltm3d.freshness.stages import WITHOUT_RESULTS, read_stages
from ltm3d.freshness.syntax import read_source

STAGES = {name: stage for name, stage in read_stages(REPOSITORY).items() if name not in WITHOUT_RESULTS}
ITEMS = {"target": ("sdf", "point_cloud", "mesh", "gaussians"), "representation": ("sdf", "gaussians")}
LABELS = [
    (name, item)
    for name, stage in STAGES.items()
    for item in (ITEMS[next(iter(stage["matrix"]))] if "matrix" in stage else (None,))
]
DATA_STAGES = ("download", "clean_meshes", "render_views", "caption_views", "build_targets", "encode_conditions")
KINDS = ("procedural",)


def label(case: tuple[str, str | None]) -> str:
    return f"{case[0]}@{case[1]}" if case[1] else case[0]


def read(root: Path, cache: Path | None = None) -> dict[str, StageCode]:
    reader = CodeReader(root, cache=cache)
    found = {label(case): reader.of(case[0], item=case[1], kinds=KINDS) for case in LABELS}
    reader.save()
    return found


@pytest.fixture(scope="module")
def today(cache: Path) -> dict[str, StageCode]:
    return read(REPOSITORY, cache)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is parsed, for all tests; it goes by content."""
    return tmp_path_factory.mktemp("cache") / "cache.json"


def test_a_copy_has_the_same_keys(today: dict[str, StageCode], copy: Path) -> None:
    assert {name: code.digest for name, code in read(copy).items()} == {
        name: code.digest for name, code in today.items()
    }


def test_one_constant_of_any_file_of_any_stage_counts(today: dict[str, StageCode]) -> None:
    """Each file of each closure with one constant changed."""
    unchanged = []
    for name in sorted({name for code in today.values() for name in code.files if name.endswith(".py")}):
        text = (REPOSITORY / name).read_text()
        changed = change_a_constant(text)
        if changed is not None and read_source(changed, name).digest == read_source(text, name).digest:
            unchanged.append(name)
    assert not unchanged


@pytest.mark.parametrize("case", LABELS, ids=label)
def test_one_constant_somewhere_in_the_closure_gives_another_key(
    case: tuple[str, str | None], today: dict[str, StageCode], copy: Path, cache: Path
) -> None:
    """A few files of the closure in turn, changed on the disk and put back."""
    before = today[label(case)]

    def digest() -> str:
        return CodeReader(copy, cache=cache).of(case[0], item=case[1], kinds=KINDS).digest

    own = f"pipelines/{case[0]}.py"  # whose first constants may be the names of its libraries
    names = [name for name in before.files if name.endswith(".py") and name != own]
    drawn = random.Random(label(case)).sample(names, min(3, len(names)))
    assert len(names) > 3
    for name in drawn:
        text = (copy / name).read_text()
        changed = change_a_constant(text) or f"{text}\nADDED = 1\n"
        (copy / name).write_text(changed)
        try:
            assert digest() != before.digest, name
        finally:
            (copy / name).write_text(text)
    assert digest() == before.digest


@pytest.mark.parametrize("name", ["data_card", "evaluate_generator"])
def test_a_page_counts_where_it_is_written(name: str, today: dict[str, StageCode], copy: Path) -> None:
    case = next(case for case in LABELS if case[0] == name)
    page = copy / "ltm3d" / "serving" / "assets" / "gallery.css"
    text = page.read_text()
    page.write_text(text + " ")
    try:
        assert CodeReader(copy).of(name, item=case[1], kinds=KINDS).digest != today[label(case)].digest
    finally:
        page.write_text(text)


def test_comments_docstrings_and_layout_of_all_files_change_no_key(today: dict[str, StageCode], tmp_path: Path) -> None:
    root = copy_sources(tmp_path)
    for path in root.rglob("*.py"):
        path.write_text(change_comments_and_layout(path.read_text()))
    assert {name: code.digest for name, code in read(root).items()} == {
        name: code.digest for name, code in today.items()
    }


@pytest.mark.parametrize("case", [case for case in LABELS if case[0] in DATA_STAGES], ids=label)
def test_data_do_not_depend_on_commands_servers_or_tracking(
    case: tuple[str, str | None], today: dict[str, StageCode]
) -> None:
    far = ("ltm3d/cli/", "ltm3d/serving/", "ltm3d/tracking/", "ltm3d/training/", "ltm3d/evaluation/")
    assert not [name for name in today[label(case)].files if name.startswith(far)]


def test_a_log_text_of_tracking_changes_no_key(today: dict[str, StageCode], tmp_path: Path) -> None:
    root = copy_sources(tmp_path)
    for path in (root / "ltm3d" / "tracking").glob("*.py"):
        path.write_text(path.read_text().replace("MLflow", "the tracking server"))
    client = root / "ltm3d" / "tracking" / "client.py"
    assert client.read_text() != (REPOSITORY / "ltm3d/tracking/client.py").read_text()
    assert {name: code.digest for name, code in read(root).items()} == {
        name: code.digest for name, code in today.items()
    }


def test_a_representation_depends_on_no_other(today: dict[str, StageCode]) -> None:
    for case in LABELS:
        files = today[label(case)].files
        if case[0].startswith(("build_targets", "train_", "encode_tokens", "sample_shapes")) and case[1] == "sdf":
            assert "ltm3d/tokenizers/gaussians.py" not in files and "ltm3d/splatting/fitting.py" not in files, case


def test_training_the_generator_does_not_depend_on_files_of_shapes_or_on_the_machine(
    today: dict[str, StageCode],
) -> None:
    files = today["train_generator@sdf"].files
    assert "ltm3d/mesh_io/gltf_file.py" not in files and "ltm3d/tracking/system.py" not in files


@pytest.mark.parametrize("name", STAGES)
def test_libraries_that_a_stage_names_are_imported_in_its_closure(name: str, today: dict[str, StageCode]) -> None:
    from importlib.metadata import packages_distributions

    distributions = packages_distributions()
    reader = CodeReader(REPOSITORY)
    closure = reader.tree.closure(f"pipelines.{name}")  # with every representation and source
    roots = {imported.split(".")[0] for module in closure for imported in reader.tree.source(module).imports}
    imported = {found.replace("_", "-") for root in roots for found in distributions.get(root, (root,))}
    assert set(libraries_of(REPOSITORY / "pipelines" / f"{name}.py")) <= imported
    if name in DATA_STAGES or name.startswith("train_"):
        assert "numpy" in libraries_of(REPOSITORY / "pipelines" / f"{name}.py")


def test_another_version_of_a_library_gives_another_key_and_another_build_does_not(tmp_path: Path) -> None:
    versions = {"numpy": "2.4.6", "torch": "2.13.0+cpu", "deepspeed": "0.19.8"}

    def digest(**changes: str) -> str:
        return CodeReader(REPOSITORY, versions=versions | changes).of("train_generator", item="sdf").digest

    assert digest(torch="2.13.0+cu130") == digest() != digest(torch="2.14.0")
    with pytest.raises(ConfigError, match="torch is not installed"):
        CodeReader(REPOSITORY, versions={"numpy": "1"}).of("train_generator", item="sdf")


def test_a_record_links_two_keys_of_its_stage_alone(tmp_path: Path) -> None:
    root = copy_sources(tmp_path)
    before = CodeReader(root).of("render_views")
    path = root / "ltm3d" / "transforms" / "render_views.py"
    path.write_text(path.read_text() + "\nUNUSED = 1\n")
    after = CodeReader(root).of("render_views")
    assert not after.accepts(before.digest) and after.oldest == after.digest
    entry = SameResults(
        stage="render_views", was=before.digest, now=after.digest, changed="render_views.py", why="unused"
    )
    write_records(root / RECORDS_FILE, [entry])
    linked = CodeReader(root).of("render_views")
    assert linked.accepts(before.digest) and linked.accepts(after.digest) and linked.oldest == before.digest
    write_records(root / RECORDS_FILE, [SameResults(**{**vars(entry), "stage": "clean_meshes"})])
    assert not CodeReader(root).of("render_views").accepts(before.digest)


def test_why_something_is_made_again_is_one_line(tmp_path: Path) -> None:
    before = code_of("render_views", {"ltm3d/a.py": "1", "ltm3d/b.py": "1"}, {"numpy": "2.4"})
    after = code_of("render_views", {"ltm3d/a.py": "2", "ltm3d/c.py": "1"}, {"numpy": "2.5"})
    assert read_note(tmp_path) is None
    before.note(tmp_path)
    assert json.loads((tmp_path / "code.json").read_text())["digest"] == before.digest
    text = after.explain(tmp_path, before.digest, "64 shards will be made again")
    assert text == (
        "code of render_views changed: ltm3d/a.py, ltm3d/b.py, ltm3d/c.py, numpy; 64 shards will be made again; if the "
        'results are the same: stop, and run `ltm3d code same render_views --why "…"`'
    )
    assert "other files, which no record names" in after.explain(tmp_path, "unknown", "64 shards")
