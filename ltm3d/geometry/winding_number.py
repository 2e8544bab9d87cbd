"""The generalised winding number of a surface: solid angles near by, a far field of order 2 beyond.

w(q) = 1 / 4π Σ_f Ω_f(q), Jacobson et al. 2013, equation 5; Ω by Van Oosterom and Strackee 1983. With y = p - q, p the
centre of area of what lies far off, N its summed area vectors and M the sum of area vector ⊗ (centroid - p),
its Ω is (N · y + tr M - 3 yᵀ M y / |y|²) / |y|³: Barill et al. 2018. A lone triangle has M = 0.
"""

import math

import numpy as np

from ltm3d.compilation import compiled


@compiled()
def find_winding_numbers(
    points: np.ndarray,
    order: np.ndarray,
    corners: np.ndarray,
    nodes: np.ndarray,
    triangles: np.ndarray,
    first_leaf: int,
    numbers: np.ndarray,
) -> None:
    """Write the winding number [Q] at points [Q, 3]: 1 inside an outward-wound closed surface.

    Args:
        order: of the queries.
        corners, first_leaf: see `TriangleTree`.
        nodes, triangles: far fields [N, 13] and [F, 7]: p, N, the square of the distance that is far, and of nodes
            xx yy zz xy xz yz of the symmetric part of M.
    """
    num_triangles, num_leaves = len(corners), first_leaf + 1
    stack = np.empty(64, np.int64)
    for query in order:
        qx, qy, qz = np.float64(points[query, 0]), np.float64(points[query, 1]), np.float64(points[query, 2])
        far_field = 0.0  # times 4π
        real, imaginary, turns = 1.0, 0.0, 0  # e^{i Σ Ω / 2} up to its length, and how often it went round
        stack[0] = 0
        depth = 1
        while depth:
            depth -= 1
            node = stack[depth]
            x, y, z = nodes[node, 0] - qx, nodes[node, 1] - qy, nodes[node, 2] - qz
            squared = x * x + y * y + z * z
            if squared > nodes[node, 6]:
                dot = nodes[node, 3] * x + nodes[node, 4] * y + nodes[node, 5] * z
                xx, yy, zz = nodes[node, 7], nodes[node, 8], nodes[node, 9]
                mixed = nodes[node, 10] * x * y + nodes[node, 11] * x * z + nodes[node, 12] * y * z
                along = xx * x * x + yy * y * y + zz * z * z + 2 * mixed
                far_field += (dot + xx + yy + zz - 3 * along / squared) / (squared * math.sqrt(squared))
                continue
            if node < first_leaf:
                stack[depth], stack[depth + 1] = 2 * node + 2, 2 * node + 1
                depth += 2
                continue
            leaf = node - first_leaf
            for triangle in range(leaf * num_triangles // num_leaves, (leaf + 1) * num_triangles // num_leaves):
                x, y, z = triangles[triangle, 0] - qx, triangles[triangle, 1] - qy, triangles[triangle, 2] - qz
                squared = x * x + y * y + z * z
                if squared > triangles[triangle, 6]:
                    dot = triangles[triangle, 3] * x + triangles[triangle, 4] * y + triangles[triangle, 5] * z
                    far_field += dot / (squared * math.sqrt(squared))
                    continue
                ax, ay, az = corners[triangle, 0, 0] - qx, corners[triangle, 0, 1] - qy, corners[triangle, 0, 2] - qz
                bx, by, bz = corners[triangle, 1, 0] - qx, corners[triangle, 1, 1] - qy, corners[triangle, 1, 2] - qz
                cx, cy, cz = corners[triangle, 2, 0] - qx, corners[triangle, 2, 1] - qy, corners[triangle, 2, 2] - qz
                a = math.sqrt(ax * ax + ay * ay + az * az)
                b = math.sqrt(bx * bx + by * by + bz * bz)
                c = math.sqrt(cx * cx + cy * cy + cz * cz)
                sine = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
                cosine = (
                    a * b * c
                    + (ax * bx + ay * by + az * bz) * c
                    + (bx * cx + by * cy + bz * cz) * a
                    + (cx * ax + cy * ay + cz * az) * b
                )  # tan(Ω / 2) = sine / cosine
                was = imaginary
                real, imaginary = real * cosine - imaginary * sine, real * sine + imaginary * cosine
                if was >= 0 and sine > 0 and imaginary < 0:
                    turns += 1
                elif was < 0 and sine < 0 and imaginary >= 0:
                    turns -= 1
                length = abs(real) + abs(imaginary)
                if length < 1e-100:  # one product has no less than 1e-60, but for a corner, which has no angle
                    real, imaginary = (real / length, imaginary / length) if length > 0 else (1.0, 0.0)
        near_field = 2 * (math.atan2(imaginary, real) + 2 * math.pi * turns)
        numbers[query] = (far_field + near_field) / (4 * math.pi)
