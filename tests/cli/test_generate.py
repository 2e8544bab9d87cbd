import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from mlflow_database import new_database
from PIL import Image
from prompt_pictures import box, box_16_bits, huge, moving_box, transparent_box
from shape_files import INRIA, ply_properties
from small_registry import Registry
from tiny_bundle import make_tiny_bundle
from tiny_tokenizers import NUM_FACES, RADIUS

from ltm3d.api import check_registry, pick_device
from ltm3d.cli import app
from ltm3d.cli.generate import check_request, progress
from ltm3d.errors import ModelError, PromptError
from ltm3d.generator import shape_models
from ltm3d.registry.registration import resolve_model


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("generate") / "bundle")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Versions 1, 2 and 3, none of them champion; the third is the challenger."""
    folder = tmp_path_factory.mktemp("registry")
    registry = Registry(folder, new_database(folder))
    for value in (0.1, 0.2, 0.3):
        registry.add([value] * 4)
    return registry


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
        (["--out", "x.off", "--text", "a"], "error: --out x.off: the name must end in one of .glb, .obj, .ply"),
        (["--out", "no/x.glb", "--text", "a"], "error: --out no/x.glb: the folder no does not exist"),
        (["--out", "x.glb", "--text", "a", "--save-prepared", "p.png"], "error: --save-prepared needs --image"),
        (["--out", "x.glb", "--text", "a"], "error: CWD/mlflow.db does not exist, so there are no registered models"),
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
    assert str(code).startswith(message.replace("CWD", str(tmp_path))) and "\n" not in str(code)
    assert out == "" and not list(tmp_path.iterdir())


def test_a_folder_is_no_output_file(tmp_path: Path) -> None:
    (tmp_path / "shapes.glb").mkdir()
    with pytest.raises(PromptError, match="is a folder"):
        check_request(out=tmp_path / "shapes.glb", image=None, text="a", save_prepared=None)


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no picture", "the image cannot be read: send a PNG"),
        (b"", "the image cannot be read"),
        (box()[:60], "the picture is broken"),
        (huge(), "nothing is left after the plain background is removed"),
        (huge(10_001), "10001 x 10001 pixels, more than 100,000,000: send a smaller one"),
        (huge(14_000), "more than 100,000,000 pixels: send a smaller one"),
        (transparent_box(0), "wholly transparent"),
    ],
)
def test_a_picture_that_is_none_is_one_line(
    bundle: Path, tmp_path: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    image, out = tmp_path / "image.png", tmp_path / "x.glb"
    image.write_bytes(content)
    code, printed, _ = run(["generate", "--out", str(out), "--image", str(image), "--model", str(bundle)], capsys)
    assert str(code).startswith("error: ") and message in str(code) and "\n" not in str(code)
    assert printed == "" and not out.exists()


@pytest.mark.parametrize(
    "content", [moving_box(), box("JPEG", "CMYK"), box("TIFF", "CMYK"), box_16_bits(is_grey=False), box("GIF", "P")]
)
def test_a_picture_of_any_kind_gives_a_shape(
    bundle: Path, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    image, out, seen = tmp_path / "image", tmp_path / "x.glb", tmp_path / "seen.png"
    image.write_bytes(content)
    arguments = ["--out", str(out), "--image", str(image), "--save-prepared", str(seen), "--model", str(bundle)]
    code, printed, _ = run(["generate", *arguments], capsys)
    assert code == 0 and f"{out}: " in printed
    assert len(trimesh.load(out, force="mesh").faces) > 50
    red, _, blue = (picture := np.asarray(Image.open(seen)))[picture[..., 3] > 250][:, :3].mean(axis=0)
    assert red > 150 and blue < 90, "the first frame, in its colours"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("word " * 10_000, "the text has 50,000 characters, more than 2,000: send a shorter one"),
        ("half \ud83d", "not valid Unicode at character 5"),
    ],
)
def test_a_text_that_cannot_be_read_is_one_line(
    bundle: Path, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.glb"
    code, _, _ = run(["generate", "--out", str(out), "--text", text, "--model", str(bundle)], capsys)
    assert str(code).startswith("error: ") and message in str(code) and "\n" not in str(code)
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "is_known"), [("木の椅子", False), ("🪑🪑", False), ("una silla, a red chair 🪑", True)]
)
def test_other_languages_give_a_shape_and_a_note(
    bundle: Path, tmp_path: Path, text: str, is_known: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.glb"
    code, _, err = run(["generate", "--out", str(out), "--text", text, "--model", str(bundle)], capsys)
    assert code == 0 and len(trimesh.load(out, force="mesh").faces) > 50
    assert ("note: the model knows none of the text's words" in err) is not is_known


def lose(stored: Path) -> None:
    shutil.rmtree(stored)


def tamper(stored: Path) -> None:
    weights = stored / "generator" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("model", "damage", "message"),
    [
        ("models:/ltm3d-sdf@champion", None, "there is no model models:/ltm3d-sdf@champion; "),
        ("models:/ltm3d-sdf@champion", None, "(challenger = version 3): `ltm3d promote` makes a challenger champion"),
        ("models:/ltm3d-sdf/9", None, "there is no model models:/ltm3d-sdf/9; "),
        ("models:/other@champion", None, "ltm3d-sdf (challenger = version 3)"),
        ("models:/ltm3d-sdf/1", lose, "version 1 of ltm3d-sdf is registered, but its files are gone"),
        ("models:/ltm3d-sdf/2", tamper, "are not those that were registered"),
    ],
)
def test_a_version_that_is_not_there_or_not_itself_is_one_line(
    registry: Registry,
    tmp_path: Path,
    model: str,
    damage: Callable[[Path], None] | None,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if damage is not None:
        damage(resolve_model(model, registry.uri))
    out = tmp_path / "x.glb"
    arguments = ["--out", str(out), "--text", "a red chair", "--model", model, "--tracking-uri", registry.uri]
    code, printed, _ = run(["generate", *arguments], capsys)
    assert str(code).startswith("error: ") and message in str(code) and "\n" not in str(code)
    assert printed == "" and not out.exists()


def test_a_registered_version_generates(registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.obj"
    arguments = ["--text", "a red chair", "--model", "models:/ltm3d-sdf@challenger", "--tracking-uri", registry.uri]
    code, printed, err = run(["generate", "--out", str(out), *arguments], capsys)
    assert code == 0 and "pieces" in printed.replace("piece,", "pieces,")
    assert err.startswith("model: ltm3d-sdf version 3 (challenger)\n")
    assert len(trimesh.load(out, force="mesh").faces) > 50
    largest = tmp_path / "largest.stl"
    assert run(["generate", "--out", str(largest), "--keep-largest", *arguments], capsys)[0] == 0
    assert trimesh.load(largest).body_count == 1


def test_the_settings_arrive_at_the_sampler(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[dict[str, Any]] = []
    sample = shape_models.sample_tokens

    def watched(*arguments: Any, **named: Any) -> Any:
        calls.append(named)
        return sample(*arguments, **named)

    monkeypatch.setattr(shape_models, "sample_tokens", watched)
    prompt = ["generate", "--out", str(tmp_path / "x.glb"), "--text", "a red chair", "--model", str(bundle)]
    settings = ["--seed", "7", "--steps", "3", "--guidance", "2.5", "--temperature", "0.25"]
    assert run([*prompt, *settings], capsys)[0] == 0
    assert run(prompt, capsys)[0] == 0
    given, own = (call["config"] for call in calls)
    assert [list(call["seeds"]) for call in calls] == [[7], [0]]
    assert (given.num_steps, given.guidance_scale, given.temperature) == (3, 2.5, 0.25)
    assert (own.num_steps, own.guidance_scale, own.temperature) == (2, 2.0, 1.0), "the bundle's own"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--temperature", "4.5", "error: temperature is 4.5; it must be 0 to 4"),
        ("--temperature", "nan", "error: temperature is nan; it must be 0 to 4"),
        ("--temperature", "-0.1", "error: temperature is -0.1; it must be 0 to 4"),
        ("--guidance", "21", "error: guidance_scale is 21.0; it must be 0 to 20"),
        ("--guidance", "-1", "error: guidance_scale is -1.0; it must be 0 to 20"),
        ("--steps", "129", "error: num_steps is 129; it must be 1 to 128"),
        ("--steps", "0", "error: num_steps is 0; it must be 1 to 128"),
        ("--seed", "9007199254740992", "error: seed is 9007199254740992; it must be 0 to 9007199254740991"),
        ("--seed", "-1", "error: seed is -1; it must be 0 to 9007199254740991"),
    ],
)
def test_a_setting_out_of_its_range_is_one_line(
    bundle: Path, tmp_path: Path, option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = ["generate", "--out", str(tmp_path / "x.glb"), "--text", "a red chair", "--model", str(bundle)]
    assert run([*prompt, option, value], capsys)[0] == message and not (tmp_path / "x.glb").exists()


def test_what_is_no_number_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["generate", "--out", "x.glb", "--text", "a", "--temperature", "warm"], capsys)
    assert code == 2 and "--temperature" in err and "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("representation", ["point_cloud", "gaussians", "mesh"])
def test_every_representation_becomes_a_file_that_others_read(
    representation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, ply, glb = make_tiny_bundle(tmp_path / "bundle", representation), tmp_path / "x.ply", tmp_path / "x.glb"
    prompt = ["generate", "--text", "a red chair", "--model", str(bundle)]
    code, printed, _ = run([*prompt, "--out", str(ply)], capsys)
    assert code == 0
    shape = trimesh.load(ply)
    assert np.median(np.abs(np.linalg.norm(shape.vertices, axis=1) - RADIUS)) < 0.05
    if representation == "mesh":
        assert run([*prompt, "--out", str(glb)], capsys)[0] == 0
        assert len(trimesh.load(glb, force="mesh").faces) == len(shape.faces) == NUM_FACES
        return
    if representation == "gaussians":
        assert ply_properties(ply) == INRIA and f"{len(shape.vertices)} Gaussians" in printed
    else:
        assert shape.colors.shape == (2048, 4) and "2,048 points" in printed
    monkeypatch.setattr(shape_models, "sample_tokens", None)  # it is refused before a shape is made
    code, _, _ = run([*prompt, "--out", str(glb)], capsys)
    assert str(code).endswith("can be written as .ply only, not as .glb") and not glb.exists()
