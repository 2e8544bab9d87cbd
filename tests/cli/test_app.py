import os

import pytest

from ltm3d.cli import app


@pytest.mark.parametrize("command", ["generate", "doctor", "promote", "restore", "gc", "inspect", "results", "plan"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        app.main([command, "--help"])
    out = capsys.readouterr().out
    assert raised.value.code == 0 and f"ltm3d {command}" in out.split("Example")[1]


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        app.main(["generat"])
    assert raised.value.code == 2 and "generat" in capsys.readouterr().err


def test_telemetry_is_off_and_threads_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in app.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit):
        app.main(["--help"])
    assert {name: os.environ[name] for name in app.ENVIRONMENT} == app.ENVIRONMENT
