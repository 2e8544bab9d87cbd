"""LTM3D: conditional 3D generation by masked auto-regression over latent shape tokens (arXiv 2505.24245).

>>> import ltm3d
>>> model = ltm3d.load("bundle")                                       # doctest: +SKIP
>>> shape = model.generate(text="A 3D model of a chair, Chair.")       # doctest: +SKIP
>>> shape.export("chair.glb")                                          # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ltm3d.api import GeneratedShape, Model, evaluate, load, prepare

__version__ = "0.1.0"
__all__ = ["GeneratedShape", "Model", "__version__", "evaluate", "load", "prepare"]


def __getattr__(name: str) -> Any:
    """Import the interface when it is first asked for."""
    if name in __all__:
        return getattr(import_module("ltm3d.api"), name)
    raise AttributeError(f"module 'ltm3d' has no attribute {name!r}")
