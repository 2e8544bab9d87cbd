"""Licence names as SPDX identifiers."""

import pytest

from ltm3d.sources.licences import matches_licence, normalize_licence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("by", "CC-BY-4.0"),
        ("cc0", "CC0-1.0"),
        ("CC BY-NC", "CC-BY-NC-4.0"),
        ("cc-by-3.0-us", "CC-BY-3.0-US"),
        ("CC0-1.0", "CC0-1.0"),
        ("by-nc-sa-4.0", "CC-BY-NC-SA-4.0"),
        ("http://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
        ("https://creativecommons.org/licenses/by/3.0/us/", "CC-BY-3.0-US"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("mit", "MIT"),
        ("BSD-3-Clause", "BSD-3-Clause"),
        ("LicenseRef-ShapeNet", "LicenseRef-ShapeNet"),
        ("", ""),
    ],
)
def test_names_become_identifiers(text: str, expected: str) -> None:
    assert normalize_licence(text) == expected
    assert normalize_licence(expected) == expected


@pytest.mark.parametrize(
    ("licence", "wanted", "expected"),
    [
        ("CC-BY-3.0-US", "cc-by", True),
        ("CC-BY-4.0", "by", True),
        ("CC-BY-3.0", "CC-BY-4.0", False),
        ("CC-BY-4.0", "cc-by-4.0", True),
        ("CC-BY-NC-4.0", "cc-by", False),
        ("CC-BY-SA-4.0", "cc-by", False),
        ("CC-BY-NC-4.0", "cc-by-nc", True),
        ("cc0", "CC0", True),
        ("MIT", "mit", True),
        ("MIT-0", "mit", False),
        ("", "cc0", False),
        ("", "", False),
    ],
)
def test_filter(licence: str, wanted: str, expected: bool) -> None:
    assert matches_licence(licence, wanted) is expected
