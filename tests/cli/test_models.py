from pathlib import Path

import pytest

from ltm3d.cli.models import models
from ltm3d.errors import ConfigError


@pytest.mark.slow
def test_sizes_are_listed_from_small_to_large(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models(conf=repository / "conf", tokens=64, channels=16, condition_tokens=20, condition_width=64, steps=4)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["cpu", "cpu_guess", "base", "large"]
    millions = [float(line.split(" M")[0].split()[-1]) for line in lines[2:]]
    assert 1 < millions[0] <= millions[1] < 5 < 150 < millions[2] < 300 < millions[3] < 600
    assert lines[0].startswith("64 tokens of 16 channels")


def test_outside_a_checkout_it_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--conf"):
        models(conf=tmp_path, tokens=8, channels=4, condition_tokens=4, condition_width=8, steps=1)
