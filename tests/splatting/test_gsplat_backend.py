import importlib.util

import numpy as np
import pytest
import torch

from ltm3d.errors import ConfigError
from ltm3d.rendering.cameras import orbit_camera
from ltm3d.splatting import gsplat_backend, reference
from ltm3d.splatting.camera import pinhole

HAS_GSPLAT = importlib.util.find_spec("gsplat") is not None
VIEW = pinhole(orbit_camera(30.0, 20.0, 4.0), field_of_view=40.0, resolution=64)


def scene(count: int = 200) -> torch.Tensor:
    rng = np.random.default_rng(0)
    columns = [rng.uniform(-1, 1, (count, 3)), np.log(rng.uniform(0.02, 0.3, (count, 3)))]
    columns += [rng.normal(size=(count, 4)), 2 * rng.normal(size=(count, 1)), rng.random((count, 3))]
    return torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float32))


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GSPLAT, reason="gsplat is not installed")
def test_rgba_and_gradient_are_the_references() -> None:
    rgba_gradient = torch.randn(64, 64, 4, generator=torch.Generator().manual_seed(0)).cuda()
    rgbas, gradients = [], []
    for rasterize in (reference.rasterize, gsplat_backend.rasterize):
        leaf = scene().cuda().requires_grad_()
        rgba = rasterize(leaf, VIEW)
        (rgba * rgba_gradient).sum().backward()
        rgbas.append(rgba.detach())
        gradients.append(leaf.grad)
    error = (rgbas[0] - rgbas[1]).abs()
    assert error.quantile(0.99) < 1e-4 and error.max() < 1e-2
    for columns in (slice(0, 3), slice(3, 6), slice(6, 10), slice(10, 11), slice(11, 14)):
        truth = gradients[0][:, columns]
        assert (gradients[1][:, columns] - truth).norm() < 2e-2 * truth.norm()


@pytest.mark.skipif(HAS_GSPLAT, reason="gsplat is installed")
def test_its_absence_is_said_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r"gsplat is not installed; pip install gsplat.*splatting\.rasterize"):
        gsplat_backend.rasterize(scene(), VIEW)


def test_a_table_on_the_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gsplat_backend, "_gsplat", lambda: None)
    with pytest.raises(ConfigError, match="CUDA, not on cpu"):
        gsplat_backend.rasterize(scene(), VIEW)
