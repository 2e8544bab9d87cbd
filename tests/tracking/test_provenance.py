import os
import subprocess
from pathlib import Path

from ltm3d.tracking.provenance import folder_hash, git_state


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_git_state_tells_a_clean_checkout_from_a_changed_one(tmp_path: Path) -> None:
    assert git_state(tmp_path / "none") == {"git_commit": "unknown", "git_dirty": "unknown"}
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert git_state(tmp_path) == {"git_commit": head, "git_dirty": "false"}
    (tmp_path / "a").write_text("2")
    assert git_state(tmp_path) == {"git_commit": head, "git_dirty": "true"}


def test_a_folder_hash_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    for name, order in (("one", ("a", "b")), ("two", ("b", "a"))):
        (tmp_path / name / "sub").mkdir(parents=True)
        for file in order:
            (tmp_path / name / "sub" / file).write_text(file)
    os.utime(tmp_path / "two" / "sub" / "a", (0, 0))
    before = folder_hash(tmp_path / "one")
    assert before == folder_hash(tmp_path / "two")
    (tmp_path / "two" / "sub" / "a").rename(tmp_path / "two" / "sub" / "c")
    assert folder_hash(tmp_path / "two") != before
