"""The reference: the published MAR recipe (Li et al. 2024) in plain torch, of the same sizes and on the same prompts.

Nothing is saved: fp32, dropout 0.1, a DenoiseNet on all tokens of which the loss then drops the known ones, conditions
projected again for each noise draw, DDPM with a learned variance over 100 respaced steps, and in sampling prompts, both
guidance branches and all embeddings computed anew at each step.
"""

import torch
from torch import Tensor, nn

from ltm3d.diffusion.ddpm import Ddpm
from ltm3d.diffusion.guidance import linear_guidance
from ltm3d.generator.masking import known_after_steps, mask_last
from ltm3d.generator.model import GeneratorConfig
from ltm3d.generator.prefix import Condition, ConditionTokens, PrefixLearner, draw_prompts
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.embeddings import TimeEmbedding
from ltm3d.nn.randomness import StepRandom

# B batch, L tokens, D token channels, P prefix tokens, H width, W DenoiseNet width

DROPOUT = 0.1


class PlainBlock(nn.Module):
    """A pre-norm transformer block with dropout on attention and outputs."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, num_heads, dropout=DROPOUT, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        y = self.attention_norm(x)
        x = x + self.dropout(self.attention(y, y, y, need_weights=False)[0])
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class PlainDenoiseNet(nn.Module):
    """MAR's adaptive MLP; projects its condition itself, for every row."""

    def __init__(self, token_dim: int, condition_width: int, width: int, depth: int) -> None:
        super().__init__()
        self.embed_token = nn.Linear(token_dim, width)
        self.embed_time = TimeEmbedding(width)
        self.embed_condition = nn.Linear(condition_width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.modulations = nn.ModuleList(nn.Sequential(nn.SiLU(), nn.Linear(width, 3 * width)) for _ in range(depth))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(depth)
        )
        self.final_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.final_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.to_out = nn.Linear(width, 2 * token_dim)

    def forward(self, x_t: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        embedding = self.embed_time(t) + self.embed_condition(condition)
        x = self.embed_token(x_t)
        for norm, modulation, mlp in zip(self.norms, self.modulations, self.mlps, strict=True):
            shift, scale, gate = modulation(embedding).chunk(3, dim=-1)
            x = x + gate * mlp(norm(x) * (1 + scale) + shift)
        shift, scale = self.final_modulation(embedding).chunk(2, dim=-1)
        return self.to_out(self.final_norm(x) * (1 + scale) + shift)


class PlainMar(nn.Module):
    """MAR with a prefix from the prompt."""

    def __init__(self, config: GeneratorConfig, shape: TokenShape) -> None:
        super().__init__()
        width, positions = config.width, config.num_prefix + shape.num_tokens
        self.config, self.shape = config, shape
        self.ddpm = Ddpm(variance="learned")
        self.condition_tokens = ConditionTokens(width, image_width=shape.image_width, text_width=shape.text_width)
        self.prefix = PrefixLearner(width, num_prefix=config.num_prefix, num_heads=config.num_heads)
        self.embed, self.embed_norm = nn.Linear(shape.token_dim, width), nn.LayerNorm(width)
        self.encoder_position = nn.Parameter(0.02 * torch.randn(1, positions, width))
        self.encoder = nn.ModuleList(PlainBlock(width, config.num_heads) for _ in range(config.encoder_depth))
        self.encoder_norm, self.to_decoder = nn.LayerNorm(width), nn.Linear(width, width)
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.decoder_position = nn.Parameter(0.02 * torch.randn(1, positions, width))
        self.decoder = nn.ModuleList(PlainBlock(width, config.num_heads) for _ in range(config.decoder_depth))
        self.decoder_norm = nn.LayerNorm(width)
        self.output_position = nn.Parameter(0.02 * torch.randn(1, shape.num_tokens, width))
        self.denoiser = PlainDenoiseNet(shape.token_dim, width, config.denoiser_width, config.denoiser_depth)

    def token_conditions(self, condition: Condition, tokens: Tensor, masked: Tensor) -> Tensor:
        """Return c_i of all tokens [B, L, H]; the encoder leaves masked tokens out."""
        prefix = self.prefix(*self.condition_tokens(condition))
        batch, num_prefix = len(tokens), prefix.shape[1]
        seen = torch.cat([torch.ones(batch, num_prefix, dtype=torch.bool), ~masked], dim=1)
        x = self.embed_norm(torch.cat([prefix, self.embed(tokens)], dim=1) + self.encoder_position)
        x = x[seen].reshape(batch, -1, x.shape[2])
        for block in self.encoder:
            x = block(x)
        x = self.to_decoder(self.encoder_norm(x))
        full = self.mask_token.expand(batch, seen.shape[1], -1).clone()
        full[seen] = x.reshape(-1, x.shape[2])
        x = full + self.decoder_position
        for block in self.decoder:
            x = block(x)
        return self.decoder_norm(x)[:, num_prefix:] + self.output_position

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> Tensor:
        """Denoise all tokens, then weigh the known ones with nothing."""
        config, (num_tokens, token_dim) = self.config, batch["mean"].shape[1:]
        tokens = batch["mean"] + batch["std"] * random.normal(num_tokens, token_dim)
        num_masked = config.mask_ratio.draw_count(num_tokens, random.shared)
        masked = mask_last(random.permutation(num_tokens), num_masked)
        prompts = draw_prompts(
            batch,
            random,
            condition_dropout=config.condition_dropout,
            single_modality=config.single_modality,
            image_alone=config.image_alone,
        )
        conditions = self.token_conditions(prompts, tokens, masked).flatten(0, 1).repeat(config.noise_draws, 1)
        x_0 = tokens.flatten(0, 1).repeat(config.noise_draws, 1)
        weight = masked.flatten().repeat(config.noise_draws).float()
        loss = self.ddpm.loss(
            lambda x_t, t: self.denoiser(x_t, t, conditions), x_0, torch.randn_like(x_0), torch.randn(len(x_0))
        )
        return (loss * weight).sum() / weight.sum()

    @torch.no_grad()
    def sample(self, condition: Condition, *, num_steps: int, guidance_scale: float) -> Tensor:
        """Generate tokens [B, L, D], the prompts and their null branch as one batch."""
        batch, num_tokens, token_dim = len(condition.image_tokens), self.shape.num_tokens, self.shape.token_dim
        rank = torch.rand(batch, num_tokens).argsort(dim=1).argsort(dim=1)
        tokens = torch.zeros(batch, num_tokens, token_dim)
        both = Condition(
            *(torch.cat([getattr(condition, name), getattr(condition.dropped(), name)]) for name in vars(condition))
        )
        num_known = 0
        for after in known_after_steps(num_tokens, num_steps, "cosine"):
            masked, chosen = rank >= num_known, (rank >= num_known) & (rank < after)
            conditions = self.token_conditions(both, tokens.repeat(2, 1, 1), masked.repeat(2, 1))
            conditions = conditions[chosen.repeat(2, 1)]
            scale = linear_guidance(guidance_scale, num_known=after, num_tokens=num_tokens)
            tokens[chosen] = self._denoise(conditions, scale)
            num_known = after
        return tokens

    def _denoise(self, conditions: Tensor, scale: float) -> Tensor:
        rows, token_dim = len(conditions) // 2, self.shape.token_dim

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            outputs = self.denoiser(x_t.repeat(2, 1), t.expand(2 * rows), conditions)  # embedded anew for every row
            conditional, unconditional = outputs.chunk(2)
            noise = torch.lerp(unconditional[:, :token_dim], conditional[:, :token_dim], scale)
            return torch.cat([noise, conditional[:, token_dim:]], dim=1)

        return self.ddpm.sample(predict, torch.randn(rows, token_dim), draw_normal=lambda: torch.randn(rows, token_dim))
