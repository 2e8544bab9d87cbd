"""What a stored verdict lets the generator be trained on."""

from pathlib import Path

import pytest
import torch
from ball_kind import add_ball
from ball_tokenizer import BallConfig, BallTokenizer
from tiny_targets import Targets
from tiny_tokenizers import gaussians_batch, train_gaussians_tokenizer, train_mesh_tokenizer

from ltm3d.errors import ConfigError, ModelError
from ltm3d.transforms.audit_tokens import audit_set, check_order, write_audit


@pytest.fixture
def ball(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BallTokenizer:
    """A tokenizer of sets, saved in `tmp_path`, whose tokens are ordered."""
    add_ball(monkeypatch)
    torch.manual_seed(0)
    tokenizer = BallTokenizer(BallConfig()).eval().requires_grad_(False)
    tokenizer.save(tmp_path)
    return tokenizer


def balls(num_assets: int) -> Targets:
    rows = torch.nn.functional.normalize(torch.randn(64, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    return Targets([{"surface": ((1 + index) / 4 * rows).numpy()} for index in range(num_assets)])


def test_ordered_tokens_pass_and_the_verdict_says_how_many_points(ball: BallTokenizer, tmp_path: Path) -> None:
    audit = audit_set(ball, balls(3), num_surface=16)
    assert audit is not None and audit["is_ordered"] and audit["num_surface"] == 16
    write_audit(tmp_path, audit)
    check_order(tmp_path)


@pytest.mark.slow
def test_the_verdict_says_how_many_were_read_where_that_is_fewer_than_were_asked_for() -> None:
    tokenizer = train_gaussians_tokenizer(0)
    assets = Targets([{"gaussians": gaussians_batch(seed)["gaussians"][0].numpy()} for seed in range(2)])
    audit = audit_set(tokenizer, assets, num_surface=100)  # of 128
    assert audit is not None and audit["num_surface"] == 64


def test_unordered_tokens_are_refused(ball: BallTokenizer, tmp_path: Path) -> None:
    write_audit(tmp_path, {"is_ordered": False, "elementwise_over_random": 0.97})
    with pytest.raises(ModelError, match=r"have no order \(.* 0\.97, limit 0\.5\); .* set allow_unordered: true"):
        check_order(tmp_path)


def test_a_set_that_no_two_assets_were_compared_of_is_refused(ball: BallTokenizer, tmp_path: Path) -> None:
    """Before, one validation asset was as good as a verdict."""
    audit = audit_set(ball, balls(1), num_surface=16)
    assert audit is None
    write_audit(tmp_path, audit)
    with pytest.raises(ConfigError, match=r"fewer than 2 validation assets .*; add assets, or set allow_un"):
        check_order(tmp_path)


def test_tokens_that_are_no_set_need_no_verdict(tmp_path: Path) -> None:
    tokenizer = train_mesh_tokenizer(0, num_steps=1)
    tokenizer.save(tmp_path)
    audit = audit_set(tokenizer, balls(3), num_surface=16)
    assert audit is None
    write_audit(tmp_path, audit)
    check_order(tmp_path)


def test_a_missing_verdict_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"audit\.json: no such file, .*; train the tokenizer again \(dvc"):
        check_order(tmp_path)
