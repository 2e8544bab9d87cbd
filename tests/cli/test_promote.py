"""`ltm3d promote` as people call it; more of what it decides is in tests/registry/test_promotion.py."""

from pathlib import Path

import pytest
import yaml
from mlflow_database import new_database
from small_registry import Registry

from ltm3d.cli import app
from ltm3d.registry.gate import GateConfig
from ltm3d.settings import convert

GOOD, WORSE, BETTER = [0.3, 0.2, 0.4, 0.3], [0.4, 0.3, 0.5, 0.4], [0.2, 0.1, 0.3, 0.2]
METRICS = {
    "text/generated/chamfer_l1": 0.3,
    "both/generated/chamfer_l1": 0.3,
    "image/generated/f_score_at_0.05": 0.7,
    **{f"{prompt}/generated/num_failures": 0.0 for prompt in ("image", "text", "both")},
    "none/category_mean/chamfer_l1": 0.45,
}


def test_no_registry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as raised:
        app.main(["promote"])
    assert str(raised.value.code).startswith(f"error: {tmp_path}/mlflow.db does not exist")
    assert not list(tmp_path.iterdir())


def test_the_models_name_is_made_of_the_representation(tmp_path: Path) -> None:
    uri = new_database(tmp_path)
    with pytest.raises(SystemExit, match="model ltm3d-mesh has no challenger"):
        app.main(["promote", "--representation", "mesh", "--tracking-uri", uri])
    with pytest.raises(SystemExit, match="model ltm3d-mychairs-sdf has no challenger"):
        app.main(["promote", "--name", "mychairs", "--tracking-uri", uri])
    with pytest.raises(SystemExit, match="name 'My chairs': use 1 to 60 of a-z"):
        app.main(["promote", "--name", "My chairs", "--tracking-uri", uri])
    with pytest.raises(SystemExit, match="model other has no champion"):
        app.main(["promote", "--model-name", "other", "--rollback", "--tracking-uri", uri])


def reasons(out: str) -> list[str]:
    """The checks that the printed reasons name."""
    return [line.partition(":")[0].strip() for line in out.splitlines() if line.startswith("  ")]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("representation", ["point_cloud", "gaussians"])
def test_the_rule_of_conf_moves_the_alias_and_rollback_restores_it(
    representation: str, tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = yaml.safe_load((repository / "conf" / "promotion" / f"{representation}.yaml").read_text())
    gate = convert(rule, GateConfig, f"promotion.{representation}")
    registry = Registry(tmp_path, new_database(tmp_path), representation, gate)

    def call(*further: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as raised:
            where = ["--repository", str(registry.code.folder), "--tracking-uri", registry.uri]
            app.main(["promote", "--representation", representation, *further, *where])
        return int(raised.value.code or 0), capsys.readouterr().out

    beyond_the_mean = registry.add([0.5] * 4, metrics=METRICS)
    code, out = call()
    assert code == 1 and "the gate keeps the challenger out" in out
    assert reasons(out) == ["image/generated/chamfer_l1 < none/category_mean/chamfer_l1"]
    assert registry.aliases() == {"challenger": beyond_the_mean, "champion": None, "previous_champion": None}

    first = registry.add(GOOD, metrics=METRICS)
    assert call("--dry-run")[0] == 0 and registry.alias("champion") is None
    code, out = call()
    assert code == 0 and f"ltm3d-{representation}: the challenger is champion" in out
    assert registry.alias("champion") == first

    registry.add(WORSE, metrics=METRICS)
    code, out = call()
    assert code == 1 and reasons(out) == ["image/generated/chamfer_l1 better"] and registry.alias("champion") == first
    registry.add(BETTER, metrics={**METRICS, "text/generated/num_failures": 1.0})
    code, out = call()
    assert code == 1 and reasons(out) == ["text/generated/num_failures no worse"]
    assert registry.alias("champion") == first

    second = registry.add([value - 0.05 for value in BETTER], metrics=METRICS)
    assert call()[0] == 0
    assert registry.aliases() == {"challenger": second, "champion": second, "previous_champion": first}
    code, out = call("--rollback")
    name = f"models:/ltm3d-{representation}"
    assert code == 0 and f"{name}/{first} is champion again, in the place of {name}/{second}" in out
    assert registry.aliases() == {"challenger": second, "champion": first, "previous_champion": second}
