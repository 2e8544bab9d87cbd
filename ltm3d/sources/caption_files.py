"""Captions of objects: files of id → caption, and the form of a prompt."""

import csv
import io
import json
import logging
import re
from pathlib import Path
from typing import Any

from ltm3d.articles import with_article
from ltm3d.errors import SourceError
from ltm3d.sources.faults import printable

logger = logging.getLogger(__name__)

MAX_CHARACTERS = 4000
ID_COLUMNS = ("id", "uid", "object_id", "modelid", "model_id", "name", "file")
CAPTION_COLUMNS = ("caption", "text", "description", "prompt")


def make_caption(phrase: str, category: str = "") -> str:
    """Write the prompt of an object: "A 3D model of {phrase}, {Category}."

    A trailing "(category)" of the phrase, a final period and a leading "A 3D model of" are not written twice.
    """
    category = " ".join(category.split())
    phrase = " ".join(phrase.split()).rstrip(".").rstrip()
    phrase = re.sub(r"^(an?|the) 3d (model|render(ing)?) of\s+", "", phrase, flags=re.IGNORECASE)
    if category:
        phrase = re.sub(rf"(\s*\({re.escape(category)}\)|,\s*{re.escape(category)})$", "", phrase, flags=re.IGNORECASE)
    if re.match(r"(An?|The)\s", phrase):
        phrase = phrase[0].lower() + phrase[1:]
    if not phrase:
        phrase = named(category) if category else "an object"
    ending = f", {category[0].upper()}{category[1:]}" if category else ""
    return f"A 3D model of {phrase}{ending}."


def named(words: str) -> str:
    """Put "a" or "an" before the words of a name; a plural, a number and what has an article stay.

    >>> named("bar stool"), named("armchair"), named("scissors")
    ('a bar stool', 'an armchair', 'scissors')
    """
    first, last = words.split()[:1], words.split()[-1:]
    if not first or not first[0][0].isalpha() or first[0] in ("a", "an", "the"):
        return words
    if last[0].endswith("s") and not last[0].endswith(("ss", "us", "is")):
        return words
    return with_article(words)


def words_of(name: str) -> str:
    """Read a file or data set name as words: `bar_stool-02` → "bar stool"."""
    words = re.sub(r"[\s_\-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).strip().lower()
    return re.sub(r"(\s+\d+)+$", "", words) or words


def read_captions(path: Path | str | None) -> dict[str, str]:
    """Read captions by id from JSON (an object, or a list of objects) or CSV (Cap3D's form, header optional).

    A row without an id or a text, or of more than 4,000 characters, counts as absent: one line tells which.

    Raises:
        SourceError: missing or not of these forms.
    """
    if path is None:
        return {}
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"there is no captions file {path}: correct the path or leave `captions` out")
    try:
        text = path.read_text(encoding="utf-8-sig")
        captions = _from_json(json.loads(text)) if path.suffix.lower() == ".json" else _from_csv(text)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise SourceError(
            f"{path} is no captions file ({error}): give a JSON object id → caption or a CSV with columns id, caption"
        ) from error
    usable = {uid: " ".join(printable(text).split()) for uid, text in captions.items() if isinstance(text, str)}
    usable = {
        uid: text for uid, text in usable.items() if uid and uid != "None" and text and len(text) <= MAX_CHARACTERS
    }
    if captions and not usable:
        raise SourceError(f"{path} has no entry with an id and a text of at most {MAX_CHARACTERS} characters: mend it")
    if len(usable) < len(captions):
        lost = [uid for uid in captions if uid not in usable]
        logger.warning(
            "%s: %d of %d captions have no id, no text or more than %d characters, so names stand in for them: %s",
            path,
            len(lost),
            len(captions),
            MAX_CHARACTERS,
            ", ".join(printable(uid)[:60] for uid in lost[:10]) + (" …" if len(lost) > 10 else ""),
        )
    return usable


def _from_json(content: object) -> dict[str, Any]:
    if isinstance(content, dict):
        return {str(key): value.get("caption") if isinstance(value, dict) else value for key, value in content.items()}
    if isinstance(content, list) and any(isinstance(row, dict) for row in content):
        pairs: dict[str, Any] = {}
        for number, row in enumerate(content):
            if not isinstance(row, dict):
                pairs[f"row {number}"] = None
                continue
            lower = {str(key).lower(): value for key, value in row.items()}
            uid = next((lower[name] for name in ID_COLUMNS if name in lower), None)
            pairs[str(uid)] = next((lower[name] for name in CAPTION_COLUMNS if name in lower), None)
        return pairs
    raise ValueError("neither an object nor a list of objects")


def _from_csv(text: str) -> dict[str, Any]:
    csv.field_size_limit(2**31 - 1)
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    if not rows:
        return {}
    header = [cell.strip().lower() for cell in rows[0]]
    caption_column = next((header.index(name) for name in CAPTION_COLUMNS if name in header), None)
    uid_column = next((header.index(name) for name in ID_COLUMNS if name in header), None)
    if caption_column is None or uid_column is None:
        uid_column, caption_column = 0, 1
    else:
        rows = rows[1:]
    if all(len(row) <= max(uid_column, caption_column) for row in rows):
        raise ValueError(f"the line '{','.join(rows[0])[:60]}' has too few columns")
    return {
        (row[uid_column].strip() if uid_column < len(row) else ""): (
            row[caption_column] if caption_column < len(row) else None
        )
        for row in rows
    }
