"""Licence names of data sets as SPDX identifiers."""

import re

# What Sketchfab and with it Objaverse write; their Creative Commons licences are version 4.0.
SHORT = {
    "cc0": "CC0-1.0",
    "by": "CC-BY-4.0",
    "by-sa": "CC-BY-SA-4.0",
    "by-nd": "CC-BY-ND-4.0",
    "by-nc": "CC-BY-NC-4.0",
    "by-nc-sa": "CC-BY-NC-SA-4.0",
    "by-nc-nd": "CC-BY-NC-ND-4.0",
    "mit": "MIT",
    "apache": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "public-domain": "CC0-1.0",
}
URL = re.compile(
    r"creativecommons\.org/(?:licenses|publicdomain)/(?P<kind>[a-z-]+)/(?P<version>\d\.\d)(?:/(?P<place>us))?"
)
CREATIVE_COMMONS = re.compile(r"(?P<family>CC0|CC(?:-[A-Z]{2})+?)-\d\.\d.*")


def normalize_licence(text: str) -> str:
    """Write a licence as its SPDX identifier; unknown names stay as they are, empty stays empty."""
    text = text.strip()
    address = URL.search(text.lower())
    if address:
        kind = address["kind"].replace("zero", "cc0")
        place = f"-{address['place'].upper()}" if address["place"] else ""
        return f"{'CC0' if kind == 'cc0' else 'CC-' + kind.upper()}-{address['version']}{place}"
    plain = re.sub(r"[\s_]+", "-", text.lower())
    short = plain.removeprefix("cc-")
    if plain in SHORT or short in SHORT:
        return SHORT.get(plain, SHORT.get(short, ""))
    if re.fullmatch(r"(cc0|cc-by(-nc)?(-sa|-nd)?|by(-nc)?(-sa|-nd)?)-\d\.\d(-[a-z]{2})?", plain):
        return plain.upper() if plain.startswith("cc") else f"CC-{plain.upper()}"
    return text


def matches_licence(licence: str, wanted: str) -> bool:
    """Say whether a licence is the one asked for; `cc-by` stands for all its versions, `CC-BY-4.0` for one.

    `cc-by` does not stand for `CC-BY-NC` or `CC-BY-SA`.
    """
    licence, exact = normalize_licence(licence), normalize_licence(wanted)
    if not licence:
        return False
    if re.search(r"\d\.\d", wanted):
        return licence.lower() == exact.lower()
    return _family(licence).lower() == _family(exact).lower()


def _family(licence: str) -> str:
    found = CREATIVE_COMMONS.fullmatch(licence)
    return found["family"] if found else licence
