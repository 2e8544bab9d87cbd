import numpy as np
import pytest
from gltf_scenes import png

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh, face_areas, is_watertight
from ltm3d.mesh_io.loading import LoadedAsset, load_asset

POINTS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
QUADS = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]
CUBE = "".join(f"v {x} {y} {z}\n" for x, y, z in POINTS) + "".join(f"f {quad}\n" for quad in QUADS)
L_PRISM = (
    "".join(f"v {x} {y} {z}\n" for z in (0, 1) for x, y in ((2, 0), (2, 1), (1, 1), (1, 2), (0, 2), (0, 0)))
    + "f 6 5 4 3 2 1\nf 7 8 9 10 11 12\n"
    + "".join(f"f {a} {a % 6 + 1} {a % 6 + 7} {a + 6}\n" for a in range(1, 7))
)
MATERIAL = "newmtl skin\nKd 0 0 1\n"


def load(folder, data: str | bytes, **files: str | bytes) -> LoadedAsset:
    for name, content in {
        "a.obj": data,
        **{name.replace("__", "."): content for name, content in files.items()},
    }.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return load_asset(folder / "a.obj")


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.triangles.astype(np.float64).transpose(1, 0, 2)
    return float(np.einsum("fx,fx->f", a, np.cross(b, c)).sum() / 6)


def test_concave_polygons_are_cut_inside_themselves(tmp_path) -> None:
    mesh = load(tmp_path, L_PRISM).mesh
    assert face_areas(mesh).sum() == pytest.approx(14) and volume(mesh) == pytest.approx(3) and is_watertight(mesh)


@pytest.mark.parametrize("first", range(4))
def test_a_concave_quad_is_cut_at_its_notch(tmp_path, first: int) -> None:
    arrow = [(0, 0), (2, -1), (0.5, 0), (2, 1)]  # the third corner is the notch
    points = "".join(f"v {x} {y} 0\n" for x, y in arrow[first:] + arrow[:first])
    assert face_areas(load(tmp_path, points + "f 1 2 3 4\n").mesh).sum() == pytest.approx(0.5)


def tabs(text: str) -> str:
    return text.replace(" ", "\t")


@pytest.mark.parametrize(
    "change",
    [
        tabs,
        lambda text: "\ufeff" + text,
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", " # a comment\n"),
        lambda text: text.replace("\n", "#glued\n"),
        lambda text: "".join(f"  \t{line}  \n" for line in text.split("\n")),
        lambda text: text.replace("f 1 2 4 3", "f 1 2 \\\n4 3"),
        lambda text: "# v 9 9 9\n#f 1 2 3\n\n\n" + text + "l 1 2\np 1\ns off\ng one\no two\ncurv 0 1 1 2\n",
        lambda text: text.replace("f ", "vn 0 0 1\nf ").replace("1 2 4 3", "1//1 2//1 4//1 3//1"),
        lambda text: "vt 0 0\n" + text.replace("1 2 4 3", "1/1 2/1 4/1 3/1").replace("5 7 8 6", "5/1/ 7/1/ 8/1/ 6/1/"),
        lambda text: text.replace("v 0 0 0", "v 0 0 0 1.0"),
        lambda text: text.replace("v 1 1 1", "v 1e0 +1 1.000E+00"),
    ],
)
def test_a_cube_is_a_cube_however_it_is_written(tmp_path, change) -> None:
    mesh = load(tmp_path, change(CUBE)).mesh
    assert volume(mesh) == pytest.approx(1) and face_areas(mesh).sum() == pytest.approx(6)


def test_indices_count_back_from_where_they_stand(tmp_path) -> None:
    text = ""
    for number in range(3):
        text += f"usemtl m{number}\n" + "".join(f"v {x + 2 * number} {y} {z}\n" for x, y, z in POINTS)
        text += "".join("f " + " ".join(str(int(i) - 9) for i in quad.split()) + "\n" for quad in QUADS)
    mesh = load(tmp_path, text).mesh
    assert len(mesh.faces) == 36 and volume(mesh) == pytest.approx(3)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([5, 1, 1])


@pytest.mark.parametrize("face", ["0 1 2", "1 2 9", "-1 -2 -9", "1 2 x", "1.5 2 3"])
def test_faces_of_vertices_that_are_not_there_are_refused(tmp_path, face: str) -> None:
    with pytest.raises(AssetError, match="parse_error"):
        load(tmp_path, CUBE + f"f {face}\n")


def test_vertices_without_three_numbers_are_refused(tmp_path) -> None:
    with pytest.raises(AssetError, match=r"parse_error.*2 numbers"):
        load(tmp_path, "v 0 0\n" + CUBE)
    with pytest.raises(AssetError, match="parse_error"):
        load(tmp_path, CUBE.replace("v 0 0 0", "v 0,5 0 0"))


@pytest.mark.parametrize(("scale", "text"), [(255, "{} {} {}"), (1, "{:.4f} {:.4f} {:.4f}")])
def test_colours_of_vertices_to_1_or_to_255(tmp_path, scale: int, text: str) -> None:
    color = [round(value * scale / 255, 4) for value in (200, 25, 25)]
    colored = "".join(f"v {x} {y} {z} {text.format(*color)}\n" for x, y, z in POINTS)
    mesh = load(tmp_path, colored + "".join(f"f {quad}\n" for quad in QUADS)).mesh
    assert (mesh.vertex_colors == (200, 25, 25)).all()


def textured(line: str, usemtl: str = "usemtl skin\n", mtllib: str = "mtllib a.mtl\n") -> tuple[str, str]:
    faces = "".join("f " + " ".join(f"{i}/1" for i in quad.split()) + "\n" for quad in QUADS)
    points = "".join(f"v {x} {y} {z}\n" for x, y, z in POINTS)
    return mtllib + points + "vt 0.5 0.5\n" + usemtl + faces, MATERIAL + line + "\n"


@pytest.mark.parametrize(
    "line",
    [
        "map_Kd red.png",
        "map_kd\tred.png",
        "  map_Kd   red.png  ",
        "map_Kd RED.PNG",
        'map_Kd "red.png"',
        "map_Kd -s 1 1 1 -o 0 0 0 red.png",
        "map_Kd -blendu on -clamp on -mm 0 1 -texres 512 red.png",
        "map_Kd -s 2 red.png",
        "map_Kd -bm 1.0 -imfchan l .\\red.png",
        "map_Kd red.png # the skin",
    ],
)
def test_a_picture_is_found_however_its_line_is_written(tmp_path, line: str) -> None:
    obj, mtl = textured(line)
    asset = load(tmp_path, obj, a__mtl=mtl, red__png=png(np.full((4, 4, 3), (200, 20, 20), np.uint8)))
    assert (asset.mesh.vertex_colors == (200, 20, 20)).all() and not asset.notes


def test_names_with_spaces(tmp_path) -> None:
    obj, mtl = textured("map_Kd my red.png", mtllib="mtllib my colours.mtl\n")
    (tmp_path / "my red.png").write_bytes(png(np.full((4, 4, 3), (200, 20, 20), np.uint8)))
    (tmp_path / "my colours.mtl").write_text(mtl)
    assert (load(tmp_path, obj).mesh.vertex_colors == (200, 20, 20)).all()


@pytest.mark.parametrize("mtllib", ["mtllib a.mtl b.mtl\n", "mtllib a.mtl\nmtllib b.mtl\n", "mtllib\tb.mtl \n"])
def test_several_libraries(tmp_path, mtllib: str) -> None:
    obj, mtl = textured("", mtllib=mtllib)
    asset = load(tmp_path, obj, a__mtl="newmtl other\nKd 1 1 1\n", b__mtl=mtl)
    assert (asset.mesh.vertex_colors == (0, 0, 255)).all()


def test_the_only_material_counts_without_usemtl_and_of_two_none(tmp_path) -> None:
    obj, mtl = textured("", usemtl="")
    assert (load(tmp_path, obj, a__mtl=mtl).mesh.vertex_colors == (0, 0, 255)).all()
    assert load(tmp_path, obj, a__mtl=mtl + "newmtl other\nKd 1 1 1\n").mesh.vertex_colors is None


def test_names_of_materials_may_hold_a_sharp_and_differ_in_case(tmp_path) -> None:
    obj, _ = textured("", usemtl="usemtl Material #25\n")
    assert (load(tmp_path, obj, a__mtl="newmtl material #25\nKd 0 1 0\n").mesh.vertex_colors == (0, 255, 0)).all()


def test_scale_offset_and_clamp_of_a_picture(tmp_path) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0], pixels[1, 1] = (255, 0, 0), (0, 0, 255)  # upper left, lower right
    for options, color in (
        ("-o -0.25 0.25 0", (255, 0, 0)),
        ("-s 1.5 0.5 1", (0, 0, 255)),
        ("-clamp on -o 9 -9", (0, 0, 255)),
    ):
        obj, mtl = textured(f"map_Kd {options} two.png")
        mesh = load(tmp_path, obj, a__mtl=mtl, two__png=png(pixels)).mesh
        assert (mesh.vertex_colors == color).all(), options


def test_a_picture_without_coordinates_leaves_the_plain_colour(tmp_path) -> None:
    obj, mtl = textured("map_Kd red.png")
    picture = png(np.full((4, 4, 3), (200, 20, 20), np.uint8))
    half = obj.replace("f 1/1 2/1 4/1 3/1", "f 1 2 4 3")
    colors = load(tmp_path, half, a__mtl=mtl, red__png=picture).mesh.vertex_colors
    assert {tuple(row) for row in colors.tolist()} == {(200, 20, 20), (0, 0, 255)}
