from pathlib import Path

import pytest

from ltm3d.errors import ConfigError
from pipelines._params import load_params
from pipelines.compose import compose, main, write_params


def test_overrides_reach_keys_that_the_yaml_leaves_at_their_default() -> None:
    raw = compose("demo", ("generator.sdf.model.noise_draws=7", "sources.procedural.num_objects=14", "resources=gpu1"))
    assert raw["generator"]["sdf"]["model"]["noise_draws"] == 7
    assert raw["sources"] == [{"kind": "procedural", "num_objects": 14, "seed": 0}]
    assert raw["resources"]["use_gpu"] is True
    assert raw["overrides"] == [
        "generator.sdf.model.noise_draws=7",
        "sources.procedural.num_objects=14",
        "resources=gpu1",
    ]


def test_sources_combine() -> None:
    raw = compose("demo", ("+source@sources.extra=folder", "sources.extra.root=/meshes", "sources.extra.weight=0.5"))
    assert [source["kind"] for source in raw["sources"]] == ["procedural", "folder"]
    assert raw["sources"][1]["root"] == "/meshes"


@pytest.mark.parametrize(
    ("recipe", "override", "message"),
    [
        ("nonsense", "", r"experiment=nonsense: no such recipe; the recipes are: .*demo"),
        ("demo", "generator.sdf.model.with=3", r"generator\.sdf\.model\.with: unknown key; .*noise_draws.*width"),
        ("demo", "generater.sdf=3", r"generater: unknown key; the keys of the top level are: .*generator"),
        ("demo", "generator.sdf.modle=3", r"generator\.sdf\.modle: unknown key; .*allow_unordered, model, training"),
        ("demo", "generator.sdf.model.width=190", r"generator\.sdf\.model: width 190 must be a multiple"),
        ("demo", "resources=tpu", r"resources/tpu.*cluster gpu1 gpu8 local"),
        ("demo", "seed=x", r"seed: expected int, got 'x'"),
        ("demo", "seed=[}", "no viable alternative"),
        ("demo", "representations=[voxels]", r"representations: .*give one or more of sdf"),
        ("demo", "targets=[voxels]", r"targets: .*give one or more of sdf, point_cloud, mesh, gaussians"),
        ("demo", "targets=[mesh]", r"targets: mesh: add .*sdf of representations"),
        ("demo", "~sources.procedural", "at least one source"),
    ],
)
def test_a_wrong_request_is_one_line_with_the_valid_choices(recipe: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        compose(recipe, (override,) if override else ())
    assert "\n" not in str(raised.value)


def test_the_written_file_reads_back_and_an_equal_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    raw = compose("smoke")
    assert write_params(raw, path) is True
    assert load_params(path).raw == raw
    assert write_params(raw, path) is False


def test_the_command_writes_what_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["experiment=smoke", "seed=4"])
    assert "written, recipe smoke" in capsys.readouterr().out
    params = load_params(Path("params.yaml"))
    assert (params.recipe, params.seed) == ("smoke", 4)
    assert params.value("tokenizer.sdf.training.seed", int) == 4, "one seed for all"


def test_a_flag_is_refused_and_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        main(["--experiment"])
    main(["--help"])
    assert "python -m pipelines.compose experiment=demo" in capsys.readouterr().out
