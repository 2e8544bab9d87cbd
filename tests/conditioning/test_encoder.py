"""Both encoders together, as stages and models load them: from packages, without a network or a place to write."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from small_clip import save_small_clip

from ltm3d.conditioning.encoder import ConditionEncoder

NAMES = ("efficientnet_lite0", "all_minilm_l6_v2")
ENCODE = """
import socket, sys
import numpy as np

def refuse(*arguments, **options):
    raise AssertionError("something asks for the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from ltm3d.conditioning.encoder import ConditionEncoder

encoder = ConditionEncoder.load("efficientnet_lite0", "all_minilm_l6_v2")
image = np.full((1, 64, 64, 4), 255, np.uint8)
print(encoder.encode_images(image).embedding.sum().item(), encoder.encode_texts(["a chair"]).embedding.sum().item())
"""


@pytest.fixture(scope="module")
def encoder() -> ConditionEncoder:
    return ConditionEncoder.load(*NAMES)


def test_tokens_masks_and_embeddings_of_unit_norm(encoder: ConditionEncoder) -> None:
    images = encoder.encode_images(np.random.default_rng(0).integers(0, 256, (5, 64, 64, 4), dtype=np.uint8))
    texts = encoder.encode_texts(["a chair", "a lamp with a shade"])
    assert images.tokens.shape == (5, 64, 472) and texts.tokens.shape == (2, 32, 384)
    assert texts.mask.sum(dim=1).tolist() == [4, 7] and encoder.text_length == 32
    for embedding in (images.embedding, texts.embedding):
        torch.testing.assert_close(embedding.norm(dim=-1), torch.ones(len(embedding)))
    assert not encoder.has_shared_space
    assert encoder.is_cut("word " * 40) and not encoder.is_cut("word " * 20)


def test_several_workers_without_network_home_or_a_place_to_write(tmp_path: Path) -> None:
    """The folder that they run in, and a home that is there in name only, have no file: nothing is unpacked."""
    read_only = tmp_path / "work"
    read_only.mkdir(mode=0o555)
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {**kept, "TMPDIR": str(read_only), "XDG_CACHE_HOME": str(read_only), "OMP_NUM_THREADS": "1"}

    def encode(_: int) -> str:
        command = [sys.executable, "-B", "-c", ENCODE]
        done = subprocess.run(command, cwd=read_only, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip().splitlines()[-1]

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(encode, range(3)))
    assert len(set(results)) == 1 and not [path for path in read_only.rglob("*") if path.is_file()]


def test_one_encoder_of_a_package_and_one_of_a_folder(tmp_path: Path) -> None:
    folder = save_small_clip(tmp_path / "clip", ["a chair"])
    mixed = ConditionEncoder.load(NAMES[0], folder)
    image = np.zeros((1, 32, 32, 4), np.uint8)
    assert mixed.encode_images(image).tokens.shape == (1, 64, 472) and not mixed.has_shared_space
    assert mixed.encode_texts(["a chair"]).tokens.shape == (1, 32, 24)
    assert ConditionEncoder.load(folder, NAMES[1]).encode_images(image).tokens.shape == (1, 5, 16)
