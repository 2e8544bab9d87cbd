"""The registered model as code: MLflow runs this file; weights come from the version's own `bundle` folder.

mlflow models serve -m models:/ltm3d-sdf@champion -t 600 --env-manager local
{"inputs": [{"text": "A 3D model of a chair, Chair.", "seed": 1}]}
"""

from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE
from mlflow.pyfunc import PythonModel, PythonModelContext

from ltm3d.errors import ConfigError, PromptError
from ltm3d.serving.request_queue import BusyError, RequestQueue
from ltm3d.serving.requests import RequestLimits, ShapeAnswer, ShapeRequest, read_batch


class RefusedError(MlflowException):
    """What MLflow's server answers with the status of `error_code`.

    Its message stays as it is: the server would write the whole request in front of it, pictures and all.
    """

    def __init__(self, text: str, error_code: int) -> None:
        self._text = text
        super().__init__(text, error_code)

    @property
    def message(self) -> str:
        """What is wrong."""
        return self._text

    @message.setter
    def message(self, value: str) -> None:
        del value


class ShapeModel(PythonModel):
    """Prompts in, shapes out. All prompts of a batch are checked before the first shape is made."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the generator from the version's artifacts."""
        from ltm3d.generator.bundle import ShapeGenerator

        self.generator = ShapeGenerator.load(Path(context.artifacts["bundle"]))
        self.limits = RequestLimits()
        self.queue = RequestQueue()

    def predict(self, model_input: list[ShapeRequest]) -> list[ShapeAnswer]:
        """Generate one shape a prompt.

        Raises:
            RefusedError: 400, a prompt is out of its limits; 503, too many requests wait; 500, anything else.
        """
        try:
            with self.queue.place():
                return answer_batch(self.generator, self.queue, model_input, self.limits)
        except (PromptError, ConfigError) as error:
            raise RefusedError(str(error), INVALID_PARAMETER_VALUE) from error
        except BusyError as error:
            raise RefusedError(str(error), TEMPORARILY_UNAVAILABLE) from error
        except Exception as error:  # MLflow's server would call it the client's fault
            raise RefusedError(f"the model failed: {type(error).__name__}: {error}", INTERNAL_ERROR) from error


def answer_batch(
    generator: Any, queue: RequestQueue, requests: list[ShapeRequest], limits: RequestLimits
) -> list[ShapeAnswer]:
    """Check, then generate, each in its turn."""
    from ltm3d.serving.generation import answer, prepare_batch

    prepared = queue.open(lambda: prepare_batch(generator, read_batch(requests, limits), limits)).result()
    return queue.generate(lambda: [answer(generator, prompt)[0] for prompt in prepared]).result()


set_model(ShapeModel())
