"""Generation: predict token sets in random order, guided by the reconstructed tokens (LTM3D,
"Reconstruction-Guided Sampling").

At step i the known tokens enter the masked auto-encoder as (1 - α_i) x̂ + α_i x; the output keeps the sampled x.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.diffusion.guidance import guide, guide_each, linear_guidance
from ltm3d.errors import ConfigError
from ltm3d.generator.dit import Dit
from ltm3d.generator.masking import Order, Schedule, draw_orders, known_after_steps
from ltm3d.generator.model import Generator
from ltm3d.generator.prefix import Condition, Prefix, stack
from ltm3d.nn.randomness import SampleRandom

# B batch, P prompts, L tokens, D token channels, N chosen tokens, K = N times the branches, M modulations

OnStep = Callable[[int, int, Float[Tensor, "B L D"]], None]


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How tokens are generated.

    Attributes:
        num_steps: S, steps of the masked generation.
        schedule: how fast tokens become known, see `known_after_steps`.
        guidance_scale: classifier-free guidance; 1 = off.
        text_guidance_scale: of the text beyond the image, `guidance_scale` then being the image's (`guide_each`);
            None = one scale for both. Takes three branches instead of two.
        guidance_schedule: `linear`, it grows from 1 to the scale with the known tokens; `constant`.
        temperature: factor on the noise that the flow starts from, or that DDPM adds at each step: not the same knob.
        alpha_schedule: weight α_i of the sampled tokens against the reconstructed ones: `power`, ((i + 1)/S)^p;
            `constant`, `alpha` at every step; `off`, α = 1, no reconstruction guidance.
        alpha_power: p.
        alpha: the constant.
        order: `random`, a permutation a sample; `raster`, by position.
        use_guess: give x̂ to a model that takes it (`masked_input: guess`); False = the mask token alone.
    """

    num_steps: int = 16
    schedule: Schedule = "cosine"
    guidance_scale: float = 2.0
    text_guidance_scale: float | None = None
    guidance_schedule: str = "linear"
    temperature: float = 1.0
    alpha_schedule: str = "power"
    alpha_power: float = 1.0
    alpha: float = 0.5
    order: Order = "random"
    use_guess: bool = True

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ConfigError(f"num_steps is {self.num_steps}; it must be at least 1")
        if self.schedule not in ("cosine", "linear"):
            raise ConfigError(f"schedule is {self.schedule!r}; it must be 'cosine' or 'linear'")
        for name in ("guidance_scale", "text_guidance_scale"):
            if (getattr(self, name) or 0) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 0 or more (1 = off)")
        if self.temperature < 0:
            raise ConfigError(f"temperature is {self.temperature}; it must be 0 (no noise) or more")
        if not 0 <= self.alpha <= 1 or self.alpha_power < 0:
            raise ConfigError(f"alpha is {self.alpha}, alpha_power {self.alpha_power}; use [0, 1] and at least 0")
        if self.guidance_schedule not in ("linear", "constant"):
            raise ConfigError(f"guidance_schedule is {self.guidance_schedule!r}; it must be 'linear' or 'constant'")
        if self.alpha_schedule not in ("power", "constant", "off"):
            raise ConfigError(f"alpha_schedule is {self.alpha_schedule!r}; it must be 'power', 'constant' or 'off'")
        if self.order not in ("random", "raster"):
            raise ConfigError(f"order is {self.order!r}; it must be 'random' or 'raster'")

    @property
    def num_branches(self) -> int:
        """How many conditions each token is denoised under."""
        if self.text_guidance_scale is not None:
            return 3
        return 1 if self.guidance_scale == 1 else 2

    def scales_at(self, *, num_known: int, num_tokens: int) -> tuple[float, float]:
        """Return the guidance of the prompt, or image, and of the text when so many tokens will be known."""
        text_scale = self.guidance_scale if self.text_guidance_scale is None else self.text_guidance_scale
        scales = (self.guidance_scale, text_scale)
        if self.guidance_schedule == "constant":
            return scales
        grown = [linear_guidance(scale, num_known=num_known, num_tokens=num_tokens) for scale in scales]
        return grown[0], grown[1]

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
    reconstructed: Float[Tensor, "P L D"] | None = None,
    on_step: OnStep | None = None,
) -> Float[Tensor, "B L D"]:
    """Generate normalised tokens, one or more samples a prompt.

    A sample depends on its prompt and its seed, not on the rest of the batch. Prompts are encoded once.

    Args:
        seeds: one a sample; with n times as many seeds as prompts, the first n are the first prompt's.
        reconstructed: x̂ of the same prompts, for a model that takes it; needed unless `alpha_schedule` is `off`.
        on_step: called with (step, number of steps, tokens so far).
    """
    if reconstructed is None and config.alpha_schedule != "off":
        raise ConfigError(
            f"alpha_schedule {config.alpha_schedule!r} needs reconstructed tokens; pass them or set 'off'"
        )
    num_tokens, token_dim = generator.shape.num_tokens, generator.shape.token_dim
    random, num_samples = _random_of(condition, seeds)
    rank = draw_orders(random, num_tokens, config.order).argsort(dim=1)  # [B L], when each is generated
    noise = random.normal(num_tokens, token_dim)
    prefix = _encode_branches(generator, condition, config, num_samples)
    tokens = torch.zeros_like(noise)
    guess = tokens if reconstructed is None else reconstructed.repeat_interleave(num_samples, dim=0)
    given = generator.guess_of(None if reconstructed is None or not config.use_guess else guess, config.num_branches)
    schedule = known_after_steps(num_tokens, config.num_steps, config.schedule)
    num_known = 0
    for step, num_known_after in enumerate(schedule):
        masked = rank >= num_known
        chosen = masked & (rank < num_known_after)
        alpha = config.alpha_at(step, len(schedule))
        known = tokens if alpha == 1 else (1 - alpha) * guess + alpha * tokens
        in_branches = [part.repeat(config.num_branches, *[1] * (part.ndim - 1)) for part in (known, masked, chosen)]
        modulations = generator.token_modulations(prefix, in_branches[0], in_branches[1], in_branches[2], guess=given)
        scales = config.scales_at(num_known=num_known_after, num_tokens=num_tokens)
        tokens[chosen] = _denoise(generator, modulations, noise[chosen], random, scales, config)
        num_known = num_known_after
        if on_step is not None:
            on_step(step, len(schedule), tokens)
    return tokens


@torch.no_grad()
def sample_at_once(
    model: Dit,
    condition: Condition,
    *,
    config: SamplingConfig,
    seeds: Sequence[int],
    reconstructed: Float[Tensor, "P L D"] | None = None,
    on_step: OnStep | None = None,
) -> Float[Tensor, "B L D"]:
    """Generate normalised tokens with the baseline: guidance and temperature count, order and α do not.

    Args:
        seeds: as in `sample_tokens`.
        reconstructed: x̂ of the prompts, for a model that takes it.
        on_step: called once, with the tokens.
    """
    shape = model.shape
    random, num_samples = _random_of(condition, seeds)
    noise = random.normal(shape.num_tokens, shape.token_dim)
    prefix = _encode_branches(model, condition, config, num_samples)
    scales = config.scales_at(num_known=shape.num_tokens, num_tokens=shape.num_tokens)
    repeated = None if reconstructed is None else reconstructed.repeat_interleave(num_samples, dim=0)
    guess = model.guess_of(repeated if config.use_guess else None, config.num_branches)

    def velocity(x_t: Tensor, t: Tensor) -> Tensor:
        return _combine(model(x_t.repeat(config.num_branches, 1, 1), t, prefix, guess), scales, config)

    tokens = model.config.flow.sample(velocity, noise, temperature=config.temperature)
    if on_step is not None:
        on_step(0, 1, tokens)
    return tokens


def _random_of(condition: Condition, seeds: Sequence[int]) -> tuple[SampleRandom, int]:
    num_samples, rest = divmod(len(seeds), len(condition.image_tokens))
    if rest or not num_samples:
        raise ConfigError(f"{len(seeds)} seeds for {len(condition.image_tokens)} prompts; give as many each")
    return SampleRandom(seeds, condition.image_tokens.device), num_samples


def _encode_branches(model: Generator | Dit, condition: Condition, config: SamplingConfig, num_samples: int) -> Prefix:
    """Encode the prompts and what guidance compares them with: [prompts, (images alone,) none], each once."""
    branches = [condition, condition.image_alone(), condition.dropped()]
    wanted = {1: branches[:1], 2: [branches[0], branches[2]], 3: branches}[config.num_branches]
    return stack([model.encode_prefix(branch).repeat(num_samples) for branch in wanted])


def _combine(predicted: Tensor, scales: tuple[float, float], config: SamplingConfig) -> Tensor:
    """Guide by the branches, stacked along the batch as `_encode_branches` stacks them."""
    branches = predicted.chunk(config.num_branches)
    if config.num_branches == 1:
        return branches[0]
    if config.num_branches == 2:
        return guide(branches[0], branches[1], scales[0])
    return guide_each(branches[0], branches[1], branches[2], image_scale=scales[0], text_scale=scales[1])


def _denoise(
    generator: Generator,
    modulations: Float[Tensor, "K M"],
    noise: Float[Tensor, "N D"],
    random: SampleRandom,
    scales: tuple[float, float],
    config: SamplingConfig,
) -> Float[Tensor, "N D"]:
    """Sample the chosen tokens; all branches run as one batch of the DenoiseNet."""
    channels = noise.shape[1]

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        outputs = generator.denoiser(x_t.repeat(config.num_branches, 1), t, modulations)
        guided = _combine(outputs[:, :channels], scales, config)
        variance = outputs[: len(noise), channels:]  # learned, beside the channels: the prompt's own
        return torch.cat([guided, variance], dim=1)

    if generator.config.head == "flow":
        return generator.config.flow.sample(predict, noise, temperature=config.temperature)
    rows = len(noise) // len(random)
    return generator.config.ddpm.sample(
        predict,
        noise,
        draw_normal=lambda: random.normal(rows, channels).flatten(0, 1),
        temperature=config.temperature,
    )
