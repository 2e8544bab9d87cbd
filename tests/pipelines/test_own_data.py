"""The recipe `own`: what follows from the number of meshes, and what is said where it cannot be composed."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from ltm3d.errors import ConfigError, SourceError
from pipelines._own_data import settings_for
from pipelines.compose import compose


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    for number in range(12):
        (tmp_path / "tubes").mkdir(exist_ok=True)
        trimesh.creation.icosphere(subdivisions=0).export(tmp_path / "tubes" / f"tube_{number}.ply")
    return tmp_path


@pytest.mark.parametrize("count", [1, 2, 3, 8, 12, 80, 682, 8000, 800_000])
def test_the_settings_of_any_number_of_meshes_compose(
    count: int, meshes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines._own_data.count_meshes", lambda sources: count)
    sized = settings_for(count)
    raw = compose("own", (f"root={meshes}", "name=mine"))
    assert raw["name"] == "mine" and "root" not in raw
    train = count - 2 * max(1, round(0.1 * count))
    for part in ("tokenizer", "ltr", "generator"):
        training = raw[part]["sdf"]["training"]
        assert training["global_batch_size"] <= max(1, train)
        assert training["warmup_steps"] < training["num_steps"] and training["checkpoint_every"] < training["num_steps"]
    assert raw["download"]["num_shards"] <= max(2, count)
    assert (raw["promotion"]["sdf"]["required"] == []) is (count < 75)
    assert ("too few to train" in sized.lines[-1]) is (count < 3)


def test_more_meshes_are_never_trained_on_for_shorter() -> None:
    def steps(count: int) -> list[int]:
        said = dict(each.split("=") for each in settings_for(count).overrides)
        return [int(said[f"{part}.sdf.training.num_steps"]) for part in ("tokenizer", "ltr", "generator")]

    grown = np.array([steps(count) for count in (3, 40, 41, 400, 401, 3000, 3001, 100_000)])
    assert (np.diff(grown, axis=0) >= 0).all() and (grown[-1] > grown[0]).all()


def test_the_folder_decides_and_the_command_line_goes_first(meshes: Path) -> None:
    told: list[str] = []
    raw = compose("own", (f"root={meshes}", "name=mine", "ltr.sdf.training.num_steps=777"), told.append)
    assert raw["sources"][0]["root"] == str(meshes) and raw["ltr"]["sdf"]["training"]["num_steps"] == 777
    assert told[0].startswith("12 meshes: about 10 to train on, 1 to validate, 1 to test")
    assert raw["overrides"] == [f"root={meshes}", "name=mine", "ltr.sdf.training.num_steps=777"]


def test_what_is_missing_is_one_line_with_the_command(meshes: Path) -> None:
    with pytest.raises(ConfigError, match=r"root: missing; use: python -m pipelines\.compose experiment=own"):
        compose("own")
    with pytest.raises(ConfigError, match="name: missing; use: "):
        compose("own", (f"root={meshes}",))
    with pytest.raises(ConfigError, match="name 'Mine': use 1 to 60 of a-z"):
        compose("own", (f"root={meshes}", "name=Mine"))
    with pytest.raises(SourceError, match="there is no folder /nowhere"):
        compose("own", ("root=/nowhere", "name=mine"))
    with pytest.raises(ConfigError, match="root: unknown key"):
        compose("demo", (f"root={meshes}",))
