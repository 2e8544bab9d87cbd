"""`captions.json`: what is written is read, what it does not name keeps the source's words, damage is one line."""

from pathlib import Path

import pytest
from index_entries import entry_of

from ltm3d.errors import DataError
from ltm3d.shards.captions import with_captions, write_captions

ENTRIES = [entry_of(uid, caption=f"The source's words for {uid}.") for uid in ("a", "b")]


def test_written_captions_replace_the_sources(tmp_path: Path) -> None:
    write_captions(tmp_path, {"b": "Chaise à bascule", "of another set": "unused"})
    captions = [entry.caption for entry in with_captions(ENTRIES, tmp_path)]
    assert captions == ["The source's words for a.", "Chaise à bascule"]


@pytest.mark.parametrize("content", [None, b'{"a": "cut'])
def test_a_missing_or_damaged_file_names_the_stage(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "captions.json").write_bytes(content)
    with pytest.raises(DataError, match=r"captions\.json cannot be read .*run caption_views"):
        with_captions(ENTRIES, tmp_path)
