import numpy as np
import pytest
from gltf_scenes import png
from shapes import box

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh, face_areas, is_watertight
from ltm3d.mesh_io.loading import load_asset

QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
POINTS = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
MIXED = [*QUADS[:4], (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)]


def head(kind: str, *lines: str) -> str:
    return "\n".join(["ply", f"format {kind} 1.0", "comment made by hand", *lines, "end_header\n"])


def vertex_lines(count: int, *more: str) -> list[str]:
    return [f"element vertex {count}", *(f"property float {axis}" for axis in "xyz"), *more]


def binary(polygons, order: str = "<", length: str = "u1") -> bytes:
    kind = "binary_little_endian" if order == "<" else "binary_big_endian"
    name = {"u1": "uchar", "i4": "int", "u2": "ushort"}[length]
    text = head(kind, *vertex_lines(8), f"element face {len(polygons)}", f"property list {name} int vertex_indices")
    rows = b"".join(
        np.array([len(p)], order + length).tobytes() + np.array(p, order + "i4").tobytes() for p in polygons
    )
    return text.encode() + POINTS.astype(order + "f4").tobytes() + rows


def load(tmp_path, data: bytes) -> Mesh:
    (tmp_path / "a.ply").write_bytes(data)
    return load_asset(tmp_path / "a.ply").mesh


@pytest.mark.parametrize("polygons", [QUADS, MIXED], ids=["quads", "mixed"])
@pytest.mark.parametrize(("order", "length"), [("<", "u1"), (">", "u1"), ("<", "i4"), (">", "u2")])
def test_polygons_of_any_number_of_corners_in_either_byte_order(tmp_path, polygons, order, length) -> None:
    mesh = load(tmp_path, binary(polygons, order, length))
    assert len(mesh.faces) == 12 and is_watertight(mesh) and face_areas(mesh).sum() == pytest.approx(6)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_with_a_concave_polygon(tmp_path, end: str) -> None:
    corners = [(2, 0), (2, 1), (1, 1), (1, 2), (0, 2), (0, 0)]
    rows = [f"{x} {y} {z}" for z in (0, 1) for x, y in corners]
    faces = ["6 5 4 3 2 1 0", "6 6 7 8 9 10 11", *(f"4 {a} {(a + 1) % 6} {(a + 1) % 6 + 6} {a + 6}" for a in range(6))]
    text = head("ascii", *vertex_lines(12), "element face 8", "property list uchar int vertex_index")
    mesh = load(tmp_path, (text + "\n".join(rows + faces) + "\n").replace("\n", end).encode())
    assert face_areas(mesh).sum() == pytest.approx(14) and is_watertight(mesh)


def test_triangle_strips(tmp_path) -> None:
    strip = [0, 1, 2, 3, -1, 4, 5, 6, 7]  # two squares
    text = head("ascii", *vertex_lines(8), "element tristrips 1", "property list int int vertex_indices")
    rows = [f"{x} {y} {z}" for z in (0, 5) for x, y in ((0, 0), (1, 0), (0, 1), (1, 1))]
    mesh = load(tmp_path, (text + "\n".join([*rows, "9 " + " ".join(map(str, strip))])).encode())
    normals = np.cross(*np.diff(mesh.triangles, axis=1).transpose(1, 0, 2))
    assert len(mesh.faces) == 4 and (normals[:, 2] == 1).all()


@pytest.mark.parametrize(
    ("kind", "value"),
    [("uchar", "200 25 0"), ("float", "0.7843 0.098 0"), ("float", "200 25 0"), ("ushort", "51400 6425 0")],
)
@pytest.mark.parametrize("where", ["vertex", "face"])
def test_colours_of_vertices_and_of_faces(tmp_path, kind: str, value: str, where: str) -> None:
    colors = [f"property {kind} {name}" for name in ("red", "green", "blue")]
    lines = vertex_lines(3, *(colors if where == "vertex" else []))
    lines += ["element face 1", "property list uchar int vertex_indices", *(colors if where == "face" else [])]
    extra = {"vertex": (f" {value}", ""), "face": ("", f" {value}")}[where]
    rows = [f"{x} {y} 0{extra[0]}" for x, y in ((0, 0), (1, 0), (0, 1))] + [f"3 0 1 2{extra[1]}"]
    mesh = load(tmp_path, (head("ascii", *lines) + "\n".join(rows)).encode())
    assert (mesh.vertex_colors == (200, 25, 0)).all()


def test_dark_bytes_are_no_fractions(tmp_path) -> None:
    colors = [f"property uchar {name}" for name in ("red", "green", "blue")]
    lines = [*vertex_lines(3, *colors), "element face 1", "property list uchar int vertex_indices"]
    rows = "0 0 0 1 0 1\n1 0 0 1 0 1\n0 1 0 1 0 1\n3 0 1 2\n"
    assert (load(tmp_path, (head("ascii", *lines) + rows).encode()).vertex_colors == (1, 0, 1)).all()


@pytest.mark.parametrize("where", ["vertex", "face"])
def test_a_picture_that_a_comment_names(tmp_path, where: str) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 1] = (200, 20, 20)  # upper right
    (tmp_path / "skin of it.png").write_bytes(png(pixels))
    lines = vertex_lines(3, *(["property float s", "property float t"] if where == "vertex" else []))
    lines += ["element face 1", "property list uchar int vertex_indices"]
    lines += [] if where == "vertex" else ["property list uchar float texcoord"]
    uv = " 0.75 0.75"
    rows = [f"{x} {y} 0{uv if where == 'vertex' else ''}" for x, y in ((0, 0), (1, 0), (0, 1))]
    rows.append("3 0 1 2" + ("" if where == "vertex" else " 6" + 3 * uv))
    text = head("ascii", "comment TextureFile skin of it.png", *lines) + "\n".join(rows)
    assert (load(tmp_path, text.encode()).vertex_colors == (200, 20, 20)).all()


@pytest.mark.parametrize(
    "data",
    [
        b"ply\n",
        b"ply\nformat ascii 1.0\nend_header\n",
        head("ascii", *vertex_lines(3), "element face 1", "property list uchar int vertex_indices").encode() + b"0 0 0",
        head("ascii", *vertex_lines(10**12)).encode(),
        head("ascii", *vertex_lines(-4)).encode(),
        head("binary_middle_endian", *vertex_lines(1)).encode(),
        head("ascii", "element vertex 1", "property quaternion x").encode() + b"1",
        binary(QUADS)[:-3],
        binary(MIXED)[:-3],
        binary([(0, 1, 9)]),
        binary([(0, 1, -2)]),
    ],
)
def test_broken_files_are_parse_errors(tmp_path, data: bytes) -> None:
    with pytest.raises(AssetError, match="parse_error"):
        load(tmp_path, data)


def test_points_alone_are_no_surface(tmp_path) -> None:
    with pytest.raises(AssetError, match="no_surface"):
        load(tmp_path, head("ascii", *vertex_lines(1)).encode() + b"0 0 0\n")


def test_what_trimesh_writes(tmp_path) -> None:
    import trimesh

    solid = trimesh.Trimesh(box().vertices, box().faces, vertex_colors=[9, 99, 199, 255], process=False)
    for encoding in ("ascii", "binary"):
        mesh = load(tmp_path, solid.export(file_type="ply", encoding=encoding))
        assert is_watertight(mesh) and (mesh.vertex_colors == (9, 99, 199)).all()
