"""Captions of pictures, by a transformers image-to-text model such as BLIP.

Letters: N pictures, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from ltm3d.conditioning.photo import composite
from ltm3d.errors import ModelError


@dataclass(frozen=True, kw_only=True, eq=False)
class Captioner:
    """A frozen image-to-text model; made by `Captioner.load`."""

    model: Any
    processor: Any
    device: torch.device

    @classmethod
    def load(cls, name: str | Path, device: torch.device | str = "cpu") -> "Captioner":
        """Load a model by name on the Hugging Face hub or from a local folder.

        Raises:
            ModelError: not found, not downloadable, or of another kind.
        """
        from transformers import AutoModelForImageTextToText, AutoProcessor

        try:
            model = AutoModelForImageTextToText.from_pretrained(str(name), use_safetensors=True)
            processor = AutoProcessor.from_pretrained(str(name))
        except (OSError, ValueError, KeyError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(
                f"{name} is no image-to-text model that transformers can load ({reason}); give a name such as "
                "Salesforce/blip-image-captioning-base, or a folder with safetensors weights"
            ) from error
        return cls(model=model.eval().to(device), processor=processor, device=torch.device(device))

    @torch.inference_mode()
    def caption(self, images: UInt8[np.ndarray, "N H W 4"], *, max_new_tokens: int = 40) -> list[str]:
        """Caption RGBA pictures, laid on white, by greedy search; a text may come out empty."""
        pictures = list(composite(images))
        inputs = self.processor(images=pictures, return_tensors="pt", input_data_format="channels_last")
        answer = self.model.generate(
            **{name: value.to(self.device) for name, value in inputs.items()},
            max_new_tokens=max_new_tokens,
            do_sample=False,
        )
        return [" ".join(text.split()) for text in self.processor.batch_decode(answer, skip_special_tokens=True)]
