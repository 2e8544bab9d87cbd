import numpy as np
from shapes import box

from ltm3d.rendering.turntable import turntable


def test_frames_go_all_around_at_one_size() -> None:
    frames = turntable(box((1.8, 0.6, 0.2)), num_frames=4, resolution=64)
    assert frames.shape == (4, 64, 64, 4) and frames.dtype == np.uint8
    assert np.array_equal(frames[0, ..., 3], frames[2, ..., 3])  # half around, a box looks the same
    assert not np.array_equal(frames[0, ..., 3], frames[1, ..., 3])
    corners = turntable(box((1.9, 1.9, 1.9)), num_frames=8, resolution=64)[..., 3]
    assert corners[:, [0, -1]].max() == 0 and corners[:, :, [0, -1]].max() == 0  # nothing is cut off
