"""Masked auto-encoder over prefix and shape tokens (MAR, Li et al. 2024; LTM3D, "Conditional Distribution Modeling").

The encoder runs on the prefix and the known tokens only; the decoder on all positions.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ltm3d.generator.guess import Guess, GuessInput
from ltm3d.generator.prefix import Prefix
from ltm3d.nn.transformer import Block, learned_tokens, run_blocks

# B batch, L tokens, K known tokens, C wanted tokens, D token channels, P prefix tokens, H width


class MaskedAutoencoder(nn.Module):
    """Give each shape token a vector c_i that sums up the prefix and the known tokens."""

    def __init__(
        self,
        *,
        num_tokens: int,
        token_dim: int,
        num_prefix: int,
        width: int,
        encoder_depth: int,
        decoder_depth: int,
        num_heads: int,
        takes_guess: bool = False,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.recompute = recompute
        self.num_prefix = num_prefix
        self.embed = nn.Linear(token_dim, width)
        self.embed_norm = nn.LayerNorm(width)
        self.encoder_position = learned_tokens(num_prefix + num_tokens, width)
        self.encoder = nn.ModuleList(Block(width, num_heads=num_heads) for _ in range(encoder_depth))
        self.encoder_norm = nn.LayerNorm(width)
        self.to_decoder = nn.Linear(width, width)
        self.mask_token = learned_tokens(width)
        self.guess_input = GuessInput(token_dim, width) if takes_guess else None
        self.decoder_position = learned_tokens(num_prefix + num_tokens, width)
        self.decoder = nn.ModuleList(Block(width, num_heads=num_heads) for _ in range(decoder_depth))
        self.decoder_norm = nn.LayerNorm(width)
        self.output_position = learned_tokens(num_tokens, width)

    def forward(
        self,
        prefix: Prefix,
        tokens: Float[Tensor, "B L D"],
        masked: Bool[Tensor, "B L"],
        wanted: Bool[Tensor, "B L"] | None = None,
        guess: Guess | None = None,
    ) -> Float[Tensor, "B C H"]:
        """Return c of the wanted tokens, in position order; the last block is run for them alone.

        Args:
            prefix: of `num_prefix` tokens, which have positions; of any number, without positions, where that is 0.
            masked: True = to be predicted; the same number in every row. Masked tokens' values are never read.
            wanted: the same number in every row, among the masked; None = all of them.
            guess: x̂, seen at the masked positions beside the mask token; None = the mask token alone.
        """
        wanted = masked if wanted is None else wanted
        assert self.num_prefix in (0, prefix.tokens.shape[1]), "the prefix is as long as its positions"
        num_known = int((~masked[0]).sum())
        known_index = masked.to(torch.int8).argsort(dim=1, stable=True)[:, :num_known]  # [B K], in position order
        known = torch.gather(tokens, 1, known_index[..., None].expand(-1, -1, tokens.shape[2]))
        start = prefix.tokens.shape[1]
        x = torch.cat([prefix.tokens, self.embed(known)], dim=1)
        x = self.embed_norm(x + self._positions(self.encoder_position, known_index, start))
        x = run_blocks(self.encoder, x, visible=prefix.visible_with(num_known), recompute=self.recompute)
        x = self.to_decoder(self.encoder_norm(x))
        full = self.mask_token.to(x.dtype).expand(len(tokens), masked.shape[1], -1)
        if guess is not None:
            assert self.guess_input is not None, "built with takes_guess"
            full = full + self.guess_input(guess).to(x.dtype)
        full = full.scatter(1, known_index[..., None].expand(-1, -1, x.shape[2]), x[:, start:])
        every_index = torch.arange(masked.shape[1], device=x.device)[None]
        x = torch.cat([x[:, :start], full], dim=1) + self._positions(self.decoder_position, every_index, start)
        visible = prefix.visible_with(masked.shape[1])
        x = run_blocks(self.decoder[:-1], x, visible=visible, recompute=self.recompute)
        wanted_index = wanted.nonzero()[:, 1].view(len(tokens), -1)
        x = self.decoder[-1](x, visible=visible, wanted=start + wanted_index)
        return self.decoder_norm(x) + self.output_position[wanted_index]

    def _positions(self, positions: Tensor, token_index: Tensor, num_prefix: int) -> Tensor:
        first = positions[: self.num_prefix]
        if self.num_prefix == 0:
            first = positions.new_zeros(num_prefix, positions.shape[1])
        return torch.cat([first.expand(len(token_index), -1, -1), positions[self.num_prefix :][token_index]], dim=1)
