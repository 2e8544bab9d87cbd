"""The registered model as code: MLflow runs this file; weights come from the version's own `bundle` folder.

mlflow models serve -m models:/ltm3d-sdf@champion -t 600
{"inputs": [{"text": "A 3D model of a chair, Chair.", "seed": 1}]}
"""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from pydantic import BaseModel

from ltm3d.errors import AssetError, ConfigError, PromptError

if TYPE_CHECKING:
    from PIL import Image


class ShapeRequest(BaseModel):
    """One prompt: an image, a text, or both.

    Attributes:
        image: a picture file (PNG, JPEG …) in base64.
        guidance_scale, num_steps: the model's own where left out.
    """

    image: str | None = None
    text: str | None = None
    seed: int | None = 0
    guidance_scale: float | None = None
    num_steps: int | None = None


class ShapeAnswer(BaseModel):
    """One shape as a binary glTF file in base64, or the reason why there is none."""

    glb: str | None = None
    num_vertices: int = 0
    num_faces: int = 0
    error: str | None = None


class ShapeModel(PythonModel):
    """Prompts in, shapes out; one bad prompt does not spoil the others."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the generator from the version's artifacts."""
        from ltm3d.generator.bundle import ShapeGenerator

        self.generator = ShapeGenerator.load(Path(context.artifacts["bundle"]))

    def predict(self, model_input: list[ShapeRequest]) -> list[ShapeAnswer]:
        """Generate one shape a prompt."""
        return [answer(self.generator, request) for request in model_input]


def answer(generator: Any, request: ShapeRequest) -> ShapeAnswer:
    """Generate the shape of one prompt; a picture is prepared as the training views were."""
    from ltm3d.conditioning.photo import prepare_photo
    from ltm3d.geometry.export import mesh_to_glb
    from ltm3d.geometry.mesh import Mesh

    try:
        image = None
        if request.image is not None:
            config = generator.config
            picture = decode_picture(request.image)
            image = prepare_photo(picture, resolution=config.image_resolution, extent=config.image_extent)
        shape = generator.generate(
            image=image,
            text=request.text,
            seed=request.seed or 0,
            guidance_scale=request.guidance_scale,
            num_steps=request.num_steps,
        )
    except (PromptError, ConfigError, AssetError) as error:
        return ShapeAnswer(error=str(error))
    if not isinstance(shape, Mesh):
        return ShapeAnswer(error=f"the model makes a {type(shape).__name__}, which is no GLB: use `ltm3d generate`")
    glb = base64.b64encode(mesh_to_glb(shape)).decode("ascii")
    return ShapeAnswer(glb=glb, num_vertices=len(shape.vertices), num_faces=len(shape.faces))


def decode_picture(text: str) -> "Image.Image":
    """Open a picture file that is given in base64.

    Raises:
        PromptError: not base64, or not a picture.
    """
    from PIL import Image

    try:
        return Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    except (OSError, ValueError, Image.DecompressionBombError) as error:  # binascii.Error is a ValueError
        raise PromptError(f"the image cannot be read ({error}); send a PNG or JPEG file in base64") from error


set_model(ShapeModel())
