"""That each message of docs/troubleshooting.md is one that the project can give."""

import ast
import re

import pytest
from imports import REPOSITORY, modules

PAGE = REPOSITORY / "docs" / "troubleshooting.md"
MESSAGES = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
LEAST = 5  # letters of a piece that is looked for: shorter ones are everywhere


def texts() -> list[str]:
    """Every string of the sources, what is computed in it as one …, and the scripts that install."""
    found = [(REPOSITORY / name).read_text() for name in ("Makefile", ".ci/system-libraries")]
    for path in modules().values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


@pytest.fixture(scope="module")
def known() -> list[str]:
    return texts()


def pieces(message: str) -> list[str]:
    """The fixed parts of a message, those long enough to tell it from others."""
    return [piece.strip() for piece in message.split("…") if len(re.sub(r"\W", "", piece)) >= LEAST]


def is_given(message: str, known: list[str]) -> bool:
    """Whether one text holds all fixed parts of a message, in their order."""
    pattern = re.compile(".*".join(map(re.escape, pieces(message))), re.DOTALL)
    return any(pattern.search(text) for text in known)


@pytest.mark.parametrize("message", MESSAGES)
def test_the_message_is_in_the_sources(message: str, known: list[str]) -> None:
    assert pieces(message), "nothing of it is fixed"
    assert is_given(message, known)


def test_a_message_of_another_wording_is_found_out(known: list[str]) -> None:
    assert len(MESSAGES) > 50 and len(set(MESSAGES)) == len(MESSAGES)
    assert is_given("the split … has no asset; give the data set more objects", known)
    assert not is_given("the split … has no asset; buy more objects", known)
    assert not is_given("give the data set more objects … the split", known)
