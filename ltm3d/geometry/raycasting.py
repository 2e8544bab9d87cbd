"""The door to open3d's Embree scene: first hits of rays, and whether there is one."""

from dataclasses import dataclass

import numpy as np

from ltm3d.geometry.mesh import Mesh


@dataclass(frozen=True, eq=False)
class Hits:
    """First hits of R rays: distance in units of the ray's direction (inf = none), face (-1 = none), barycentric uv."""

    distance: np.ndarray
    face: np.ndarray
    uv: np.ndarray


class RayScene:
    """A mesh in a bounding volume hierarchy, built once, used by one thread."""

    def __init__(self, mesh: Mesh) -> None:
        import open3d

        self._tensor = open3d.core.Tensor.from_numpy
        self._scene = open3d.t.geometry.RaycastingScene(nthreads=1)
        self._scene.add_triangles(self._tensor(mesh.vertices), self._tensor(mesh.faces.astype(np.uint32)))

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """Find the first hit of each ray; origins and directions float32 [R, 3] or [3]."""
        shape = np.broadcast_shapes(origins.shape, directions.shape)
        rays = np.empty((*shape[:-1], 6), np.float32)
        rays[..., :3], rays[..., 3:] = origins, directions
        answer = self._scene.cast_rays(self._tensor(rays), nthreads=1)
        face = answer["primitive_ids"].numpy().astype(np.int64)
        face[face == 0xFFFFFFFF] = -1
        return Hits(distance=answer["t_hit"].numpy(), face=face, uv=answer["primitive_uvs"].numpy())

    def is_blocked(self, origins: np.ndarray, ways: np.ndarray) -> np.ndarray:
        """Say for each origin float32 [R, 3] whether the surface lies between it and origin + way [R, 3]."""
        rays = self._tensor(np.concatenate([origins, ways], axis=1))
        return self._scene.test_occlusions(rays, tfar=1.0, nthreads=1).numpy()
