from pathlib import Path

import pytest

from ltm3d.cli import app
from ltm3d.cli.generate import check_registry, check_request, pick_device, progress
from ltm3d.errors import ModelError, PromptError


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """Exit code (or message), stdout and stderr of one command."""
    with pytest.raises(SystemExit) as raised:
        app.main(arguments)
    output = capsys.readouterr()
    return raised.value.code, output.out, output.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.glb"], "error: give a prompt"),
        (["--out", "x.glb", "--text", "  "], "error: give a prompt"),
        (["--out", "x.glb", "--image", "absent.png"], "error: --image absent.png: no such file"),
        (["--out", "x.stl", "--text", "a"], "error: --out x.stl: the name must end in one of .glb, .obj, .ply"),
        (["--out", "no/x.glb", "--text", "a"], "error: --out no/x.glb: the folder no does not exist"),
        (["--out", "x.glb", "--text", "a", "--save-prepared", "p.png"], "error: --save-prepared needs --image"),
        (["--out", "x.glb", "--text", "a"], "error: mlflow.db does not exist, so there are no registered models"),
        (["--out", "x.glb", "--text", "a", "--model", "nowhere"], "error: nowhere"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(["generate", *arguments], capsys)
    assert str(code).startswith(message) and "\n" not in str(code)
    assert out == "" and not list(tmp_path.iterdir())


def test_a_folder_is_no_output_file(tmp_path: Path) -> None:
    (tmp_path / "shapes.glb").mkdir()
    with pytest.raises(PromptError, match="is a folder"):
        check_request(out=tmp_path / "shapes.glb", image=None, text="a", save_prepared=None)


def test_an_out_of_range_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["generate", "--out", "x.glb", "--text", "a", "--steps", "0"], capsys)
    assert code == 2 and "--steps" in err


def test_a_server_address_is_not_taken_for_a_file() -> None:
    check_registry("http://127.0.0.1:5000")


def test_cuda_is_refused_where_there_is_none() -> None:
    import torch

    if torch.cuda.is_available():
        assert pick_device("auto") == "cuda"
        return
    assert pick_device("auto") == "cpu"
    with pytest.raises(ModelError, match="ltm3d doctor"):
        pick_device("cuda")


def test_progress_is_plain_lines_away_from_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("generating") as on_step:
        for step in range(1, 17):
            on_step(step, 16)
    assert capsys.readouterr().err.splitlines() == [f"generating: step {step} of 16" for step in (4, 8, 12, 16)]
