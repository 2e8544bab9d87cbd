"""What clients may count on; trials of real models are in tests/registry/test_promotion.py."""

from pathlib import Path
from typing import Any

import pytest

from ltm3d.errors import ModelError
from ltm3d.registry.trial import Signature, fault_of, folder_size, incompatible

OLD = Signature(
    inputs={"text": ("string", False), "seed": ("long", False)}, outputs={"glb": ("string", False), "n": ("long", True)}
)


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ({}, {}, None),
        ({"image": ("string", False)}, {"ply": ("string", False)}, None),
        ({"image": ("string", True)}, {}, "asks for image"),
        ({"text": ("string", True)}, {}, "asks for text"),
        ({"seed": ("double", False)}, {}, "takes seed as double, the champion as long"),
        ({"seed": None}, {}, "no longer takes seed"),
        ({}, {"glb": None}, "no longer gives glb"),
        ({}, {"n": ("string", True)}, "gives n as string"),
    ],
)
def test_a_new_model_takes_and_gives_what_the_old_one_did(inputs: dict, outputs: dict, said: str | None) -> None:
    new = Signature(
        inputs={name: value for name, value in {**OLD.inputs, **inputs}.items() if value is not None},
        outputs={name: value for name, value in {**OLD.outputs, **outputs}.items() if value is not None},
    )
    found = incompatible(new, OLD)
    assert found is None if said is None else found is not None and said in found


def test_a_model_without_a_signature_is_refused() -> None:
    for old in (None, OLD):
        assert "does not say" in str(incompatible(None, old)) and "does not say" in str(incompatible(Signature(), old))
    assert incompatible(OLD, None) is None


def test_a_folders_size_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    (tmp_path / "c").write_bytes(b"12")
    assert folder_size(tmp_path) == 5
    with pytest.raises(ModelError, match="no folder"):
        folder_size(tmp_path / "none")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"glb": "Z2xURg==", "num_vertices": 3}, None),
        ({"ply": "cGx5Cg==", "num_vertices": 3, "note": "n"}, None),
        ({"glb": "Z2xURg==", "num_vertices": 0}, "no shape"),
        ({"glb": None, "num_vertices": 3, "note": "n"}, "no shape"),
        ({"glb": "AAAA", "num_vertices": 3}, "none of GLB or PLY"),
        ({"error": "no surface"}, "no surface"),
    ],
)
def test_an_answer_is_a_shape(answer: dict[str, Any], said: str | None) -> None:
    fault = fault_of(answer)
    assert fault is None if said is None else fault is not None and said in fault
