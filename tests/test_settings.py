from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from ltm3d.errors import ConfigError
from ltm3d.settings import convert


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share is {self.share}; it must lie in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner
    names: tuple[str, ...] = ()
    span: tuple[float, float] = (0.0, 1.0)
    mode: Literal["a", "b"] = "a"
    root: Path | None = None
    many: Sequence[Inner] = ()
    table: Mapping[str, int] = field(default_factory=dict)


def test_nested_values_get_their_annotated_types() -> None:
    values = {
        "inner": {"size": 3, "share": 1},
        "names": ["x"],
        "span": [1, 2],
        "mode": "b",
        "root": "some/folder",
        "many": [{"size": 1}],
        "table": {"k": 1},
    }
    built = convert(values, Outer, "outer")
    assert built == Outer(
        inner=Inner(size=3, share=1.0),
        names=("x",),
        span=(1.0, 2.0),
        mode="b",
        root=Path("some/folder"),
        many=(Inner(size=1),),
        table={"k": 1},
    )
    assert isinstance(built.inner.share, float) and isinstance(built.span[0], float)


def test_none_is_allowed_only_where_annotated() -> None:
    assert convert({"inner": {"size": 1}, "root": None}, Outer, "o").root is None
    with pytest.raises(ConfigError, match=r"o\.names: expected tuple.*got None"):
        convert({"inner": {"size": 1}, "names": None}, Outer, "o")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inner": {"size": 1, "sice": 2}}, r"o\.inner\.sice: unknown key; the keys of o\.inner are: share, size"),
        ({"inner": {}}, r"o\.inner: missing size; the keys are: share, size"),
        ({"inner": {"size": "1"}}, r"o\.inner\.size: expected int, got '1'"),
        ({"inner": {"size": True}}, r"o\.inner\.size: expected int, got True"),
        ({"inner": {"size": 1.5}}, r"o\.inner\.size: expected int, got 1\.5"),
        ({"inner": {"size": 1, "share": 2}}, r"o\.inner: share is 2\.0; it must lie"),
        ({"inner": {"size": 1}, "span": [1]}, r"o\.span: expected 2 values, got 1"),
        ({"inner": {"size": 1}, "mode": "c"}, r"o\.mode: 'c' is none of 'a', 'b'"),
        ({"inner": {"size": 1}, "many": [{"size": 1}, {}]}, r"o\.many\.1: missing size"),
        ({"inner": {"size": 1}, "names": "x"}, r"o\.names: expected tuple"),
        ({"inner": 3}, r"o\.inner: expected Inner, got 3"),
    ],
)
def test_a_wrong_value_is_named_by_its_dotted_path(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        convert(values, Outer, "o")
