"""What a generator must beat without generating: the nearest training shape, and the category's mean (eval/v1)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

# N test assets, M training assets, V views, E embedding channels, L tokens, D token channels


def retrieve(
    prompt: str,
    *,
    test_images: Float[np.ndarray, "N E"],
    test_texts: Float[np.ndarray, "N E"],
    train_images: Float[np.ndarray, "M V E"],
    train_texts: Float[np.ndarray, "M E"],
) -> list[int]:
    """Return for each test asset the training asset whose condition embedding is nearest to its prompt's.

    Images are compared with every view of the training asset, texts with its caption, `both` by the sum.
    """
    by_image = np.einsum("ne,mve->nmv", test_images, train_images).max(axis=2)
    by_text = test_texts @ train_texts.T
    similarity = {"image": by_image, "text": by_text, "both": by_image + by_text}[prompt]
    return [int(index) for index in similarity.argmax(axis=1)]


def category_means(
    latents: Float[np.ndarray, "M L D"], categories: Sequence[str]
) -> dict[str, Float[np.ndarray, "L D"]]:
    """Return the mean latent of each category over the training assets."""
    labels = np.array(categories)
    return {str(category): latents[labels == category].mean(axis=0) for category in np.unique(labels)}
