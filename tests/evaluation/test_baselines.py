import numpy as np

from ltm3d.evaluation.baselines import category_means, retrieve

AXES = np.eye(3, dtype=np.float32)


def test_retrieval_takes_the_nearest_view_or_caption() -> None:
    train_images = np.stack([np.stack([AXES[0], AXES[1]]), np.stack([AXES[2], AXES[2]])])
    train_texts = np.stack([AXES[2], AXES[0]])
    arguments = {
        "test_images": AXES[1:2],
        "test_texts": 2 * AXES[:1],
        "train_images": train_images,
        "train_texts": train_texts,
    }
    assert retrieve("image", **arguments) == [0]
    assert retrieve("text", **arguments) == [1]
    assert retrieve("both", **arguments) == [1]


def test_category_means() -> None:
    latents = np.arange(6, dtype=np.float32).reshape(3, 2, 1)
    means = category_means(latents, ["chair", "lamp", "chair"])
    assert means["chair"].tolist() == [[2.0], [3.0]]
    assert means["lamp"].tolist() == [[2.0], [3.0]]
    assert set(means) == {"chair", "lamp"}
