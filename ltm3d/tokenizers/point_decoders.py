"""From the tokens' states to coloured points: a flow that gives as many as are asked for, or a fixed set of them.

A point is a row of nine: position in the normalised frame, unit normal, colour in [-1, 1].
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.nn.embeddings import PointEmbedding, TimeEmbedding
from ltm3d.nn.nearest import match_nearest
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import CrossBlock, FeedForward

# B batch, P points, L tokens, H width

POINT_WIDTH = 9
POSITION_SCALE = 4.0  # beyond unit variance: where a point lies counts most (docs/results.md)
POINTS_A_BATCH = 8192


class FlowPoints(nn.Module):
    """Velocity of points that flow from noise to the surface; each point flows alone, given the states.

    Attention prefers the states whose anchor is near the point, the more the less noise there is:
    logit −= s (1 − t)² |x_t − a_i|².
    """

    def __init__(self, width: int, *, depth: int, num_heads: int, num_frequencies: int, flow: FlowMatching) -> None:
        super().__init__()
        self.flow = flow
        self.point_embedding = PointEmbedding(width, num_frequencies=num_frequencies, num_features=POINT_WIDTH - 3)
        self.time_embedding = TimeEmbedding(width)
        self.blocks = nn.ModuleList(CrossBlock(width, num_heads=num_heads, context_width=width) for _ in range(depth))
        self.log_sharpness = nn.Parameter(torch.linspace(math.log(2.0), math.log(32.0), num_heads))
        self.out_norm = nn.LayerNorm(width)
        self.to_velocity = nn.Linear(width, POINT_WIDTH)
        nn.init.zeros_(self.to_velocity.weight)

    def velocity(
        self,
        x_t: Float[Tensor, "B P 9"],
        t: Float[Tensor, "B #P"],
        states: Float[Tensor, "B L H"],
        anchors: Float[Tensor, "L 3"],
    ) -> Float[Tensor, "B P 9"]:
        """Return dx/dt; positions are scaled by `POSITION_SCALE`."""
        rows = torch.cat([x_t[..., :3] / POSITION_SCALE, x_t[..., 3:]], dim=-1)
        squared = torch.cdist(rows[..., :3], anchors.expand(len(rows), -1, -1)).square()
        nearness = (1 - t).square()[..., None] * squared
        bias = -self.log_sharpness.exp()[:, None, None] * nearness[:, None]
        x = self.point_embedding(rows) + self.time_embedding(t.flatten()).unflatten(0, t.shape)
        for block in self.blocks:
            x = block(x, states, bias=bias)
        return self.to_velocity(self.out_norm(x))

    def loss(
        self,
        states: Float[Tensor, "B L H"],
        anchors: Float[Tensor, "L 3"],
        rows: Float[Tensor, "B P 9"],
        random: StepRandom,
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Squared error of the velocity; every point has its own time."""
        num_points = rows.shape[1]
        x_0 = torch.cat([rows[..., :3] * POSITION_SCALE, rows[..., 3:]], dim=-1).flatten(0, 1)

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            shape = (len(rows), num_points)
            return self.velocity(x_t.unflatten(0, shape), t.unflatten(0, shape), states, anchors).flatten(0, 1)

        noise = random.normal(num_points, POINT_WIDTH).flatten(0, 1)
        loss = self.flow.loss(denoise, x_0, noise, random.normal(num_points).flatten()).mean()
        return loss, {"flow": loss}

    def sample(
        self,
        states: Float[Tensor, "1 L H"],
        anchors: Float[Tensor, "L 3"],
        *,
        num_points: int,
        generator: torch.Generator,
    ) -> Float[Tensor, "P 9"]:
        """Let points flow to the surface, in batches of bounded memory."""
        noise = torch.randn(num_points, POINT_WIDTH, generator=generator).to(states.device)
        parts = [
            self.flow.sample(lambda x_t, t: self.velocity(x_t[None], t[None], states, anchors)[0], part)
            for part in noise.split(POINTS_A_BATCH)
        ]
        rows = torch.cat(parts)
        return torch.cat([rows[:, :3] / POSITION_SCALE, rows[:, 3:]], dim=-1)


class FixedPoints(nn.Module):
    """A fixed number of points around each token's anchor, trained by the Chamfer distance."""

    def __init__(self, width: int, *, points_a_token: int) -> None:
        super().__init__()
        self.points_a_token = points_a_token
        self.norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)
        self.to_rows = nn.Linear(width, points_a_token * POINT_WIDTH)

    def forward(self, states: Float[Tensor, "B L H"], anchors: Float[Tensor, "L 3"]) -> Float[Tensor, "B P 9"]:
        rows = self.to_rows(states + self.feed_forward(self.norm(states))).unflatten(-1, (self.points_a_token, -1))
        positions = anchors[:, None] + rows[..., :3]
        return torch.cat([positions, rows[..., 3:]], dim=-1).flatten(1, 2)

    def loss(
        self,
        states: Float[Tensor, "B L H"],
        anchors: Float[Tensor, "L 3"],
        rows: Float[Tensor, "B P 9"],
        random: StepRandom,
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Chamfer distance of the positions, and the error of normal and colour at the nearest point, both ways."""
        del random
        made = self(states, anchors)
        chamfer, attributes = made.new_zeros(()), made.new_zeros(())
        for one, other in ((made, rows), (rows, made)):
            distance, matched = match_nearest(one, other)
            chamfer = chamfer + distance.mean()
            attributes = attributes + (one[..., 3:] - matched[..., 3:]).abs().mean()
        return chamfer + 0.1 * attributes, {"chamfer_l1": chamfer, "attributes_l1": attributes}

    def sample(
        self,
        states: Float[Tensor, "1 L H"],
        anchors: Float[Tensor, "L 3"],
        *,
        num_points: int,
        generator: torch.Generator,
    ) -> Float[Tensor, "P 9"]:
        """Return all points; `num_points` is not asked for, and nothing is drawn."""
        del num_points, generator
        return self(states, anchors)[0]
