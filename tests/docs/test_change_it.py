"""The diffs of docs/change-it.md: each applies to a copy of the project, changes what the page says, and runs."""

import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from imports import REPOSITORY
from pipeline_copy import PipelineCopy, copy_pipeline
from tiny_latents import make_tiny_latents

from ltm3d.mesh_io.writing import mesh_to_glb
from ltm3d.procedural.objects import build_mesh, draw_object

PAGE = REPOSITORY / "docs" / "change-it.md"
STEPS = ("num_steps=3", "warmup_steps=1", "global_batch_size=4", "log_every=1", "checkpoint_every=3")

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@dataclass(frozen=True)
class Change:
    """A section of the page."""

    diff: str
    compose: tuple[str, ...]
    computed: tuple[str, ...]


def read_change(title: str) -> Change:
    section = PAGE.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    (diff,) = re.findall(r"```diff\n(.*?)```", section, re.DOTALL)
    (command,) = re.findall(r"python -m pipelines\.compose (.*)", section)
    said = section.partition("\nComputed again: ")[2].partition("what comes after")[0]
    return Change(diff, tuple(command.split()), tuple(re.findall(r"`([a-z_@*]+)`", said)))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> PipelineCopy:
    return copy_pipeline(tmp_path_factory.mktemp("change_it"))


@pytest.fixture
def copy(clean: PipelineCopy) -> PipelineCopy:
    """The project as it is committed, without data."""
    clean.run("git", "reset", "--quiet", "--hard")
    clean.run("git", "clean", "-ffdxq")
    return clean


def stage_inputs(copy: PipelineCopy) -> dict[str, Any]:
    """Stage → the digest of its code and the settings that it reads."""
    copy.run("python", "-m", "pipelines.digest_inputs")
    params = yaml.safe_load((copy.folder / "params.yaml").read_text())
    stages = yaml.safe_load((copy.folder / "dvc.yaml").read_text())["stages"]
    found = {}
    for path in (copy.data / "inputs" / "code").iterdir():
        name, _, item = path.name.partition("@")
        asked = [
            asked.replace("${item.target}", item).replace("${item.representation}", item)
            for asked in stages[name].get("params", [])
        ]
        found[path.name] = (path.read_text(), [find(params, key) for key in asked])
    return found


def stage_of(label: str) -> str:
    return label.partition("@")[0]


def stages_after(copy: PipelineCopy, first: set[str]) -> set[str]:
    """Stages and all that read, directly or not, what they write."""
    stages = yaml.safe_load((copy.folder / "dvc.yaml").read_text())["stages"]
    outs = {
        name: [(out if isinstance(out, str) else next(iter(out))).split("${")[0] for out in stage.get("outs", [])]
        for name, stage in stages.items()
    }
    found, size = set(first), 0
    while len(found) > size:
        size = len(found)
        written = tuple(out for name in found for out in outs[name])
        found |= {name for name, stage in stages.items() if any(d.startswith(written) for d in stage.get("deps", []))}
    return found


def find(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree[key]
    return tree


def apply(copy: PipelineCopy, change: Change) -> dict[str, Any]:
    """Apply a change as the page says, hold what it says of the stages to what differs, and give the settings."""
    (copy.folder / "meshes.zip").write_bytes(b"")
    before = stage_inputs(copy)
    (copy.folder / "change.diff").write_text(change.diff)
    copy.run("git", "apply", "change.diff")
    copy.compose(*change.compose)
    after = stage_inputs(copy)
    changed = {name for name in after if after[name] != before[name]}
    said = {name for name in after if any(fnmatch(name, pattern) for pattern in change.computed)}
    assert said and said <= changed
    assert {stage_of(name) for name in changed} <= stages_after(copy, {stage_of(name) for name in said})
    return yaml.safe_load((copy.folder / "params.yaml").read_text())


def smallest(part: str) -> tuple[str, ...]:
    return ("representations=[sdf]", "targets=[sdf]", *(f"{part}.training.{step}" for step in STEPS))


def use_tiny_latents(copy: PipelineCopy, tmp_path: Path) -> None:
    shutil.rmtree(copy.data)
    shutil.copytree(make_tiny_latents(tmp_path) / "data", copy.data)


def trained(copy: PipelineCopy, part: str) -> dict[str, Any]:
    return json.loads((copy.data / "models" / part / "sdf" / "config.json").read_text())["model"]


@pytest.mark.timeout(3000)
def test_a_deeper_model(copy: PipelineCopy, tmp_path: Path) -> None:
    change = read_change("A deeper model")
    assert apply(copy, change)["generator"]["sdf"]["model"]["encoder_depth"] == 6
    copy.compose(*change.compose, *smallest("generator.sdf"), "generator.sdf.allow_unordered=true")
    use_tiny_latents(copy, tmp_path)
    copy.run("python", "-m", "pipelines.train_generator", "sdf")
    assert trained(copy, "generator")["decoder_depth"] == 6


@pytest.mark.timeout(3000)
def test_another_loss(copy: PipelineCopy, tmp_path: Path) -> None:
    change = read_change("Another loss")
    apply(copy, change)
    copy.compose(*change.compose, *smallest("generator.sdf"), "generator.sdf.allow_unordered=true")
    use_tiny_latents(copy, tmp_path)

    def first_loss() -> float:
        copy.run("python", "-m", "pipelines.train_generator", "sdf")
        return json.loads((copy.data / "plots" / "train_generator_sdf.json").read_text())[0]["loss"]

    pseudo_huber = first_loss()
    copy.run("git", "apply", "--reverse", "change.diff")
    squared = first_loss()
    assert 0.5 < pseudo_huber < squared, "a root of squares that are above 1"


@pytest.mark.timeout(3000)
def test_a_new_source_and_a_new_tokenizer(copy: PipelineCopy) -> None:
    change = read_change("A new source")
    apply(copy, change)
    with zipfile.ZipFile(copy.folder / "meshes.zip", "w") as archive:
        for index in range(12):
            drawn = draw_object("chair", seed=0, index=index)
            mesh = build_mesh("chair", drawn.attributes, drawn.parameters)
            archive.writestr(f"chairs/chair_{index}.glb", mesh_to_glb(mesh))
    points = ("num_surface", "num_volume", "num_near")
    small = (
        *smallest("tokenizer.sdf"),
        *("download.num_shards=2", "clean_meshes.val_fraction=0.25", "clean_meshes.test_fraction=0.25"),
        *(f"build_targets.sdf.target.{name}=256" for name in points),
        *(f"tokenizer.sdf.examples.{name}=128" for name in points),
    )
    copy.compose(*change.compose, *small)
    for stage in ("download", "clean_meshes"):
        copy.run("python", "-m", f"pipelines.{stage}")
    index = json.loads((copy.data / "meshes" / "index.json").read_text())
    entries = index if isinstance(index, list) else next(value for value in index.values() if isinstance(value, list))
    assert len(entries) == 12 and {each["source"] for each in entries} == {"zip"}
    assert {each["category"] for each in entries} == {"chairs"}

    copy.commit("the source")  # the tokenizer's diff is applied beside it, and trained on its shapes
    kept = copy.folder.parent / "kept"
    shutil.copytree(copy.data, kept)
    tokenizer = read_change("A new tokenizer")
    copy.compose(*change.compose)
    apply(copy, Change(tokenizer.diff, (*tokenizer.compose, *change.compose[1:]), tokenizer.computed))
    shutil.rmtree(copy.data)
    shutil.move(kept, copy.data)
    copy.compose(*change.compose, *tokenizer.compose[1:], *small)
    copy.run("python", "-m", "pipelines.build_targets", "sdf")
    copy.run("python", "-m", "pipelines.train_tokenizer", "sdf")
    assert trained(copy, "tokenizer")["steps"] == 4 and trained(copy, "tokenizer")["kind"] == "rounded"
