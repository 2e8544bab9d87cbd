"""A small PointNet: what the images and texts of the small CLIP are contrasted with, beside each other."""

from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.nn.embeddings import PointEmbedding


class PointEncoder(nn.Module):
    """An MLP on each point, the maximum over them, a linear map (PointNet, Qi et al. 2017, without its T-nets)."""

    def __init__(self, output_dim: int, *, width: int = 64, num_frequencies: int = 4) -> None:
        super().__init__()
        self.points = nn.Sequential(
            PointEmbedding(width, num_frequencies=num_frequencies),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, 2 * width),
        )
        self.project = nn.Sequential(nn.LayerNorm(2 * width), nn.Linear(2 * width, output_dim))

    def forward(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B E"]:
        """Embed surface points, in any order; the norm is free."""
        return self.project(self.points(points).amax(dim=1))
