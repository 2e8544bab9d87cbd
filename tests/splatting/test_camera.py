import numpy as np
import pytest

from ltm3d.splatting.camera import pinhole


def test_a_pinhole_turns_opengl_axes_to_opencvs() -> None:
    camera = np.eye(4, dtype=np.float32)
    camera[:3, 3] = (0, 0, 5)
    view = pinhole(camera, field_of_view=60.0, resolution=100)
    ahead = view.rotation @ (np.array([0.5, 1.0, 0.0]) - view.eye)
    assert ahead == pytest.approx([0.5, -1.0, 5.0])  # right, down, forward
    assert view.focal * np.tan(np.radians(30)) == pytest.approx(50)


def test_a_camera_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4\); expected \[4, 4\]"):
        pinhole(np.zeros((3, 4)), field_of_view=30.0, resolution=8)
