"""Where a run happens: workers, their cores and GPUs."""

from dataclasses import dataclass

from ltm3d.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Where a run happens. Nothing here changes what is computed beyond rounding.

    Attributes:
        max_failures: how often Ray may restart the workers after one died.
        peak_tflops: of one device in the training's precision, dense, 10¹² operations a second; None = not known, and
            no utilisation is logged.
    """

    num_workers: int = 2
    cpus_per_worker: int = 1
    use_gpu: bool = False
    max_failures: int = 3
    peak_tflops: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("num_workers", 1), ("cpus_per_worker", 1), ("max_failures", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be {least} or more")
        if self.peak_tflops is not None and not self.peak_tflops > 0:
            raise ConfigError(f"peak_tflops is {self.peak_tflops}; it must be above 0, or null")
