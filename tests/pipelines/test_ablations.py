"""The ablations' queue: what is done, what is missing, and the page."""

import json
import subprocess
from pathlib import Path

import pytest
from imports import REPOSITORY

from ltm3d.errors import ConfigError, Ltm3dError
from pipelines import ablations


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a page in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/results.md").write_text(
        f"# Results\n\nBefore.\n{ablations.BEGIN}\nold\n{ablations.END}\nAfter.\n"
    )
    return tmp_path


def keep(item: ablations.Item, value: float) -> None:
    """Write a result as a run would."""
    path = ablations.result_file(item)
    path.parent.mkdir(parents=True, exist_ok=True)
    metrics = {f"generated/{prompt}": {"chamfer_l1": {"a": value, "b": value}} for prompt in ("image", "text", "both")}
    document = {"variant": item[0], "seed": item[1], "by_asset": metrics, "cost": {}}
    path.write_text(json.dumps({**document, "identity": ablations.identity(ablations.settings_of(item))}))


def test_the_queue_has_each_variant_with_each_seed_once_and_shares_trainings() -> None:
    items = ablations.queue()
    names = [name for name, seed in items if seed == 0]
    assert len(items) == len(set(items)) == 3 * len(names)
    assert names[0] == "full" and names[1] == "no_rgs"
    full, no_rgs, other_seed = map(ablations.settings_of, [("full", 0), ("no_rgs", 0), ("full", 1)])
    assert full["generator"] == no_rgs["generator"] and full["sampling"] != no_rgs["sampling"]
    assert full["generator"] != other_seed["generator"] and full["tokenizer"] == other_seed["tokenizer"]


def test_every_variant_sees_the_same_samples_in_the_same_steps() -> None:
    trainings = [ablations.settings_of(item)["generator"]["sdf"]["training"] for item in ablations.queue()]
    assert len({(training["num_steps"], training["global_batch_size"]) for training in trainings}) == 1


def test_the_page_says_what_is_there_and_what_is_missing(checkout: Path) -> None:
    keep(("full", 0), 0.1)
    keep(("no_rgs", 0), 0.2)
    ablations.main(["table"])
    page = (checkout / "docs/results.md").read_text()
    assert page.startswith("# Results\n\nBefore.\n") and page.endswith("\nAfter.\n") and "old" not in page
    assert "| full | 1 | 0.1000" in page and "+0.1000, one training" in page
    missing = json.loads((checkout / "docs/results/ablation.json").read_text())["missing"]
    assert len(missing) == len(ablations.queue()) - 2 and "full-0" not in missing and "Missing: " in page


def test_a_run_that_fails_leaves_the_settings_as_they_were(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params, seen = checkout / "params.yaml", []
    params.write_text("mine: 1\n")

    def fail(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        seen.append((command[:3], params.read_text()))
        return subprocess.CompletedProcess(command, 255)

    monkeypatch.setattr(ablations.subprocess, "run", fail)
    with pytest.raises(Ltm3dError, match=r"ablation-no-rgs-1 ended with 255; .*call this again"):
        ablations.run(("no_rgs", 1))
    ((command, given),) = seen
    assert command == ["dvc", "exp", "run"] and "recipe: ablation_no_rgs" in given
    assert params.read_text() == "mine: 1\n"


def test_a_result_of_other_settings_is_missing_again(checkout: Path) -> None:
    keep(("full", 0), 0.1)
    assert ablations.is_done(("full", 0))
    path = ablations.result_file(("full", 0))
    path.write_text(json.dumps({**json.loads(path.read_text()), "identity": "of yesterday"}))
    assert not ablations.is_done(("full", 0))


def test_where_it_runs_is_no_part_of_what_it_is() -> None:
    raw = ablations.settings_of(("full", 0))
    assert ablations.identity({**raw, "resources": {"num_workers": 64}}) == ablations.identity(raw)
    assert ablations.identity({**raw, "seed": 5}) != ablations.identity(raw)
    for key, value, same in (("num_points", 10, False), ("num_gallery_assets", 1, True)):
        changed = {**raw, "evaluation": {**raw["evaluation"], key: value}}
        assert (ablations.identity(changed) == ablations.identity(raw)) is same


def test_experiments_are_chosen_by_name() -> None:
    assert ablations.choose(["full-1", "dit"]) == (("dit", 0), ("full", 1), ("dit", 1), ("dit", 2))
    assert ablations.choose([]) == ablations.queue()
    with pytest.raises(ConfigError, match=r"ful: no such experiment; .*full, "):
        ablations.choose(["ful"])


def test_the_committed_table_is_of_the_committed_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    rows = ablations.ablation_rows(ablations.read_runs(), prompts=ablations.PROMPTS)
    document = json.loads(ablations.TABLE.read_text())
    assert document["rows"] == rows, "run: python -m pipelines.ablations table"
    assert set(document["missing"]) == {f"{n}-{s}" for n, s in ablations.queue() if not ablations.is_done((n, s))}
