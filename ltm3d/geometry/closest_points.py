"""The closest point of a surface, by a walk down a tree of boxes, nearest child first."""

import numpy as np

from ltm3d.compilation import compiled


@compiled()
def find_closest_points(
    points: np.ndarray,
    order: np.ndarray,
    corners: np.ndarray,
    boxes: np.ndarray,
    first_leaf: int,
    closest: np.ndarray,
    place: np.ndarray,
) -> None:
    """Write for each of the points [Q, 3] the closest surface point [Q, 3] and the place [Q] of its triangle.

    The closest point of the query before bounds the search; the bound is loose by a hair, so that the triangle found
    does not depend on it. On a triangle the closest point is its foot, where that lies inside, else on an edge. The
    products keep their digits on slivers, and lines and points are as good as any triangle.

    Args:
        order: of the queries; the closer in space those in a row are, the faster.
        corners, boxes, first_leaf: see `TriangleTree`.
    """
    num_triangles, num_leaves = len(corners), first_leaf + 1
    stack_node, stack_distance = np.empty(64, np.int64), np.empty(64, np.float64)
    cx, cy, cz = corners[0, 0, 0], corners[0, 0, 1], corners[0, 0, 2]  # the closest point so far
    for query in order:
        px, py, pz = np.float64(points[query, 0]), np.float64(points[query, 1]), np.float64(points[query, 2])
        best = ((px - cx) ** 2 + (py - cy) ** 2 + (pz - cz) ** 2) * (1 + 1e-9) + 1e-18
        found = 0
        depth = 1
        stack_node[0], stack_distance[0] = 0, 0.0
        while depth:
            depth -= 1
            node = stack_node[depth]
            if stack_distance[depth] >= best:
                continue
            while node < first_leaf:
                near, far = 2 * node + 1, 2 * node + 2
                x = max(boxes[near, 0] - px, px - boxes[near, 3], 0.0)
                y = max(boxes[near, 1] - py, py - boxes[near, 4], 0.0)
                z = max(boxes[near, 2] - pz, pz - boxes[near, 5], 0.0)
                to_near = x * x + y * y + z * z
                x = max(boxes[far, 0] - px, px - boxes[far, 3], 0.0)
                y = max(boxes[far, 1] - py, py - boxes[far, 4], 0.0)
                z = max(boxes[far, 2] - pz, pz - boxes[far, 5], 0.0)
                to_far = x * x + y * y + z * z
                if to_far < to_near:
                    near, far, to_near, to_far = far, near, to_far, to_near
                if to_far < best:
                    stack_node[depth], stack_distance[depth] = far, to_far
                    depth += 1
                if to_near >= best:
                    break
                node = near
            if node < first_leaf:
                continue
            leaf = node - first_leaf
            for triangle in range(leaf * num_triangles // num_leaves, (leaf + 1) * num_triangles // num_leaves):
                ax, ay, az = corners[triangle, 0, 0], corners[triangle, 0, 1], corners[triangle, 0, 2]
                ux, uy, uz = corners[triangle, 1, 0] - ax, corners[triangle, 1, 1] - ay, corners[triangle, 1, 2] - az
                vx, vy, vz = corners[triangle, 2, 0] - ax, corners[triangle, 2, 1] - ay, corners[triangle, 2, 2] - az
                wx, wy, wz = px - ax, py - ay, pz - az
                nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
                nn = nx * nx + ny * ny + nz * nz
                height = wx * nx + wy * ny + wz * nz
                if height * height > best * nn:  # its plane is too far off already
                    continue
                s = nx * (wy * vz - wz * vy) + ny * (wz * vx - wx * vz) + nz * (wx * vy - wy * vx)
                t = nx * (uy * wz - uz * wy) + ny * (uz * wx - ux * wz) + nz * (ux * wy - uy * wx)
                if nn > 0 and s >= 0 and t >= 0 and s + t <= nn:  # above the face
                    x, y, z = (s * ux + t * vx) / nn, (s * uy + t * vy) / nn, (s * uz + t * vz) / nn
                    distance = (wx - x) ** 2 + (wy - y) ** 2 + (wz - z) ** 2
                    if distance < best:
                        best, found = distance, triangle
                        cx, cy, cz = ax + x, ay + y, az + z
                    continue
                for edge in range(3):
                    if edge == 0:
                        ox, oy, oz, ex, ey, ez = 0.0, 0.0, 0.0, ux, uy, uz
                    elif edge == 1:
                        ox, oy, oz, ex, ey, ez = 0.0, 0.0, 0.0, vx, vy, vz
                    else:
                        ox, oy, oz, ex, ey, ez = ux, uy, uz, vx - ux, vy - uy, vz - uz
                    along = (wx - ox) * ex + (wy - oy) * ey + (wz - oz) * ez
                    squared = ex * ex + ey * ey + ez * ez
                    share = min(along / squared, 1.0) if along > 0 else 0.0
                    x, y, z = ox + share * ex, oy + share * ey, oz + share * ez
                    distance = (wx - x) ** 2 + (wy - y) ** 2 + (wz - z) ** 2
                    if distance < best:
                        best, found = distance, triangle
                        cx, cy, cz = ax + x, ay + y, az + z
        closest[query, 0], closest[query, 1], closest[query, 2] = cx, cy, cz
        place[query] = found
