import pytest

from ltm3d.mesh_io.mtl import PictureMap, parse_map, parse_mtl


def test_materials_by_name_and_broken_lines_count_as_absent() -> None:
    text = "Kd 1 1 1\nnewmtl a b\nKd 0.5 0.25 1\nNs 10\nmap_Kd p.png\n"
    text += "\tnewmtl\tc\n\tKd 0.5\nKd spectral x.rfl\nKd a b c\nnewmtl d\n"
    materials = parse_mtl(text)
    assert list(materials) == ["a b", "c", "d"]
    assert materials["a b"].diffuse == (0.5, 0.25, 1) and materials["a b"].picture == PictureMap(name="p.png")
    assert materials["c"].diffuse == (0.5, 0.5, 0.5) and materials["d"].diffuse is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-s 2 3 4 a b.png", PictureMap(name="a b.png", scale=(2, 3))),
        ("-o 0.5 a.png", PictureMap(name="a.png", offset=(0.5, 0))),
        ("-clamp on -t 1 2 3 'a.png'", PictureMap(name="a.png", clamp=True)),
        ("-s 2 2", PictureMap(name="2", scale=(2, 1))),  # a picture may be called 2
        ("-weird.png", PictureMap(name="-weird.png")),
        ('""', None),
    ],
)
def test_options_of_a_map(text: str, expected: PictureMap | None) -> None:
    assert parse_map(text) == expected
