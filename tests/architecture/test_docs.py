"""The pages of docs/: links lead somewhere, and what a command writes is as it writes it."""

import dataclasses
import re
from pathlib import Path

import pytest
from imports import REPOSITORY

from ltm3d.errors import ConfigError
from pipelines.settings_page import PAGE, _meanings, _range, to_markdown

PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(path: Path) -> set[str]:
    """The fragments that a page's headings give on a code host."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if link.startswith(("http", "mailto:")):
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not fragment or target.suffix != ".md" or fragment in anchors(target), f"{page.name}: {link}"


def test_the_settings_page_is_what_its_command_writes() -> None:
    text = to_markdown()
    assert PAGE.read_text() == text, "run: python -m pipelines.settings_page"
    assert not re.findall(r"^.*\|\s*\|$", text, re.MULTILINE), "a key without a description: write it in its docstring"


def test_keys_are_described_and_bounded_by_their_class() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Settings:
        """Some.

        Attributes:
            count: how many,
                on two lines.
            least, most: None = open.
        """

        count: int = 3
        least: float | None = None
        most: float | None = None

        def __post_init__(self) -> None:
            if self.count < 2:
                raise ConfigError(f"count is {self.count}; it must be at least 2")

    assert _meanings(Settings) == {"count": "how many, on two lines", "least": "null = open", "most": "null = open"}
    assert _range(Settings(), "count", int) == "at least 2" and _range(Settings(), "least", float | None) == ""
