"""`ltm3d promote` up to the registry; the gate itself is tested in tests/evaluation."""

from pathlib import Path

import pytest

from ltm3d.cli import app
from ltm3d.evaluation import promotion
from ltm3d.evaluation.gate import GateDecision, GateRow


def test_no_registry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as raised:
        app.main(["promote"])
    assert str(raised.value.code).startswith("error: mlflow.db does not exist")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("passed", "code", "said"), [(True, 0, "is champion"), (False, 1, "keeps the challenger out")])
def test_the_decision_is_printed_and_is_the_exit_code(
    passed: bool,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = GateRow(check="image/generated/chamfer_l1", challenger=0.1, limit=0.2, passed=passed, note="")
    decision = GateDecision(passed=passed, reasons=("because",), table=(row,))
    asked = []

    def decide(name: str, gate: None, tracking_uri: str, *, dry_run: bool) -> GateDecision:
        asked.append((name, tracking_uri, dry_run))
        return decision

    monkeypatch.setattr(promotion, "promote", decide)
    with pytest.raises(SystemExit) as raised:
        app.main(["promote", "ltm3d-sdf", "--tracking-uri", "http://127.0.0.1:1"])
    out = capsys.readouterr().out
    assert (raised.value.code or 0) == code
    assert said in out and "image/generated/chamfer_l1" in out and "because" in out
    assert asked == [("ltm3d-sdf", "http://127.0.0.1:1", False)]
