"""Training examples of the mesh tokenizer: sequences of quantised faces, mirrored and stretched."""

from dataclasses import dataclass

import numpy as np

from ltm3d.representations.mesh import PADDING, dequantize, quantize, sort_faces
from ltm3d.tokenizers.augmentation import AugmentationConfig, draw_stretch
from ltm3d.tokenizers.target_examples import TargetExamples

# L faces with padding


@dataclass(frozen=True, kw_only=True)
class MeshExampleConfig(AugmentationConfig):
    """How a training step changes a mesh.

    Attributes:
        num_cells: along each axis, as in the target.
    """

    num_cells: int

    @property
    def num_encoded(self) -> int:
        """A mesh is encoded whole."""
        return 0


class MeshExamples(TargetExamples):
    """Sequences of quantised faces."""

    config: MeshExampleConfig

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return `triangles` int64 [L, 3, 3] and `mask` [L]; faces that a stretch makes flat are left out."""
        triangles = np.array(self.targets.get("triangles", index), np.int64)
        mask = np.array(self.targets.get("mask", index))
        if not self.augment:
            return {"triangles": triangles, "mask": mask}
        num_cells = self.config.num_cells
        corners = dequantize(triangles[mask], num_cells)
        stretch = draw_stretch(self.config, corners.reshape(-1, 3), rng)
        cells = quantize(corners * stretch, num_cells)
        faces = sort_faces(cells[:, ::-1] if stretch[0] < 0 else cells)  # a mirror turns the winding around
        stretched = np.full_like(triangles, PADDING)
        stretched[: len(faces)] = faces
        return {"triangles": stretched, "mask": np.arange(len(mask)) < len(faces)}
