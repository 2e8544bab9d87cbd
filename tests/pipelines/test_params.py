from pathlib import Path

import pytest

from ltm3d.errors import ConfigError
from ltm3d.rendering.cameras import ViewConfig
from pipelines._params import SECTIONS, Params, load_params


@pytest.fixture
def params(tmp_path: Path) -> Params:
    path = tmp_path / "params.yaml"
    path.write_text(
        "recipe: smoke\nseed: 3\ntargets: [sdf]\nrepresentations: [sdf]\n"
        "sources: [{kind: procedural, num_objects: 5, seed: 1}]\n"
        "render_views: {num_views: 2, elevation_range: [0, 10]}\n"
        "generator: {sdf: {rate: 1e-4}}\n"
    )
    return load_params(path)


def test_subtrees_become_settings(params: Params) -> None:
    assert (params.recipe, params.seed, params.representations) == ("smoke", 3, ("sdf",))
    assert params.get("render_views", ViewConfig) == ViewConfig(num_views=2, elevation_range=(0.0, 10.0))
    assert params.value("generator.sdf.rate", float) == 1e-4


def test_an_unknown_key_lists_the_valid_ones() -> None:
    params = Params({"render_views": {"num_vews": 2}})
    with pytest.raises(ConfigError, match=r"render_views\.num_vews: unknown key; .*elevation_range.*num_views"):
        params.get("render_views", ViewConfig)


def test_an_unknown_section_of_the_file_lists_the_valid_ones(tmp_path: Path, repository: Path) -> None:
    text = (repository / "params.yaml").read_text()
    assert set(load_params(repository / "params.yaml").raw) == set(SECTIONS)
    path = tmp_path / "params.yaml"
    path.write_text(text + "sede: 1\n")
    with pytest.raises(ConfigError, match=r"sede: unknown key; .*recipe.*seed, sources"):
        load_params(path)


def test_a_missing_subtree_lists_what_is_there(params: Params) -> None:
    with pytest.raises(ConfigError, match=r"generator\.mesh: no such key.*keys of generator are: sdf"):
        params.value("generator.mesh", dict)


@pytest.mark.parametrize(("text", "message"), [("a: [1", "cannot be read"), ("- 1\n", "expected keys and values")])
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        load_params(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"python -m pipelines\.compose"):
        load_params(tmp_path / "params.yaml")
