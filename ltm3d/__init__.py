"""LTM3D: conditional 3D generation by masked auto-regression over latent shape tokens (arXiv 2505.24245)."""

__version__ = "0.1.0"
