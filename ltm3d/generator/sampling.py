"""Generation: predict token sets in random order, guided by the reconstructed tokens (LTM3D,
"Reconstruction-Guided Sampling").

At step i the known tokens enter the masked auto-encoder as (1 - α_i) x̂ + α_i x; the output keeps the sampled x.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.diffusion.guidance import guide, linear_guidance
from ltm3d.errors import ConfigError
from ltm3d.generator.dit import Dit
from ltm3d.generator.masking import cosine_schedule
from ltm3d.generator.model import Generator
from ltm3d.generator.prefix import Condition
from ltm3d.nn.randomness import SampleRandom

# B batch, L tokens, D token channels

OnStep = Callable[[int, int, Float[Tensor, "B L D"]], None]


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How tokens are generated.

    Attributes:
        num_steps: S, steps of the masked generation.
        guidance_scale: classifier-free guidance; 1 = off.
        guidance_schedule: `linear`, it grows from 1 to the scale with the known tokens; `constant`.
        temperature: factor on the noise that diffusion starts from.
        alpha_schedule: weight α_i of the sampled tokens against the reconstructed ones: `power`, ((i + 1)/S)^p;
            `constant`, `alpha` at every step; `off`, α = 1, no reconstruction guidance.
        alpha_power: p.
        alpha: the constant.
        order: `random`, a permutation a sample; `raster`, by position.
    """

    num_steps: int = 16
    guidance_scale: float = 2.0
    guidance_schedule: str = "linear"
    temperature: float = 1.0
    alpha_schedule: str = "power"
    alpha_power: float = 1.0
    alpha: float = 0.5
    order: str = "random"

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ConfigError(f"num_steps is {self.num_steps}; it must be at least 1")
        if self.guidance_scale < 0:
            raise ConfigError(f"guidance_scale is {self.guidance_scale}; it must be 0 or more (1 = off)")
        if self.guidance_schedule not in ("linear", "constant"):
            raise ConfigError(f"guidance_schedule is {self.guidance_schedule!r}; it must be 'linear' or 'constant'")
        if self.alpha_schedule not in ("power", "constant", "off"):
            raise ConfigError(f"alpha_schedule is {self.alpha_schedule!r}; it must be 'power', 'constant' or 'off'")
        if self.order not in ("random", "raster"):
            raise ConfigError(f"order is {self.order!r}; it must be 'random' or 'raster'")

    def alpha_at(self, step: int, num_steps: int) -> float:
        """Return α_i for step i of S, counted from 0."""
        if self.alpha_schedule == "off":
            return 1.0
        if self.alpha_schedule == "constant":
            return self.alpha
        return ((step + 1) / num_steps) ** self.alpha_power


@torch.no_grad()
def sample_tokens(
    generator: Generator,
    condition: Condition,
    *,
    config: SamplingConfig,
    seeds: Sequence[int],
    reconstructed: Float[Tensor, "B L D"] | None = None,
    on_step: OnStep | None = None,
) -> Float[Tensor, "B L D"]:
    """Generate normalised tokens, one sample a prompt row.

    A sample depends on its prompt and its seed, not on the rest of the batch.

    Args:
        seeds: one a row.
        reconstructed: x̂ of the same prompts; needed unless `alpha_schedule` is `off`.
        on_step: called with (step, number of steps, tokens so far).
    """
    if reconstructed is None and config.alpha_schedule != "off":
        raise ConfigError(
            f"alpha_schedule {config.alpha_schedule!r} needs reconstructed tokens; pass them or set 'off'"
        )
    num_tokens, token_dim = generator.shape.num_tokens, generator.shape.token_dim
    device = condition.image_tokens.device
    random = SampleRandom(seeds, device)
    batch = len(random)
    if config.order == "random":
        order = random.permutation(num_tokens)
    else:
        order = torch.arange(num_tokens, device=device).expand(batch, -1)
    rank = order.argsort(dim=1)  # [B L], when each token is generated
    noise = random.normal(num_tokens, token_dim)
    prefix = generator.encode_prefix(condition)
    null_prefix = generator.encode_prefix(condition.dropped()) if config.guidance_scale != 1 else None
    tokens = torch.zeros_like(noise)
    guess = tokens if reconstructed is None else reconstructed
    schedule = cosine_schedule(num_tokens, config.num_steps)
    num_known = 0
    for step, num_known_after in enumerate(schedule):
        masked = rank >= num_known
        chosen = masked & (rank < num_known_after)
        alpha = config.alpha_at(step, len(schedule))
        known = tokens if alpha == 1 else (1 - alpha) * guess + alpha * tokens
        scale = config.guidance_scale
        if config.guidance_schedule == "linear":
            scale = linear_guidance(scale, num_known=num_known_after, num_tokens=num_tokens)
        conditions = [generator.token_conditions(prefix, known, masked)[chosen[masked]]]
        if null_prefix is not None:
            conditions.append(generator.token_conditions(null_prefix, known, masked)[chosen[masked]])
        tokens[chosen] = _denoise(generator, conditions, noise[chosen], random, scale, config)
        num_known = num_known_after
        if on_step is not None:
            on_step(step, len(schedule), tokens)
    return tokens


@torch.no_grad()
def sample_at_once(
    model: Dit, condition: Condition, *, config: SamplingConfig, seeds: Sequence[int], on_step: OnStep | None = None
) -> Float[Tensor, "B L D"]:
    """Generate normalised tokens with the baseline: guidance and temperature count, order and α do not.

    Args:
        seeds: one a row.
        on_step: called once, with the tokens.
    """
    shape = model.shape
    noise = SampleRandom(seeds, condition.image_tokens.device).normal(shape.num_tokens, shape.token_dim)
    prefix = model.encode_prefix(condition)
    if config.guidance_scale != 1:
        prefix = torch.cat([prefix, model.encode_prefix(condition.dropped())])

    def velocity(x_t: Tensor, t: Tensor) -> Tensor:
        if config.guidance_scale == 1:
            return model(x_t, t, prefix)
        conditional, unconditional = model(x_t.repeat(2, 1, 1), t.repeat(2), prefix).chunk(2)
        return guide(conditional, unconditional, config.guidance_scale)

    tokens = model.config.flow.sample(velocity, noise, temperature=config.temperature)
    if on_step is not None:
        on_step(0, 1, tokens)
    return tokens


def _denoise(
    generator: Generator,
    conditions: list[Tensor],
    noise: Float[Tensor, "N D"],
    random: SampleRandom,
    scale: float,
    config: SamplingConfig,
) -> Float[Tensor, "N D"]:
    """Sample the chosen tokens; with a null branch, both run as one batch of the DenoiseNet."""
    stacked = torch.cat(conditions)

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        if len(conditions) == 1:
            return generator.denoiser(x_t, t, stacked)
        both = generator.denoiser(x_t.repeat(2, 1), t.repeat(2), stacked)
        conditional, unconditional = both.chunk(2)
        channels = noise.shape[1]  # a learned variance beside them stays the conditional one
        guided = guide(conditional[:, :channels], unconditional[:, :channels], scale)
        return torch.cat([guided, conditional[:, channels:]], dim=1)

    if generator.config.head == "flow":
        return generator.config.flow.sample(predict, noise, temperature=config.temperature)
    rows = len(noise) // len(random)
    return generator.config.ddpm.sample(
        predict,
        noise,
        draw_normal=lambda: random.normal(rows, noise.shape[1]).flatten(0, 1),
        temperature=config.temperature,
    )
