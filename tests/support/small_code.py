"""A small repository of git with a stage of its own, and what that stage would record when it starts."""

import subprocess
from pathlib import Path
from typing import Any

from ltm3d.freshness.stage_code import CodeReader
from ltm3d.registry.committed import head_of
from ltm3d.tracking.provenance import git_state, stage_provenance

LABEL = "train@sdf"
LOSS_FILE = "ltm3d/loss.py"
LOSS = "def loss(x):\n    return {factor} * x\n"
STAGE = '"""A stage."""\n\nfrom ltm3d.loss import loss\n\nLIBRARIES = ("numpy",)\n\n\ndef main():\n    return loss(1)\n'


class SmallCode:
    """A checkout of code whose only stage, `train`, has a loss with a factor; it is committed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (("pipelines/train.py", STAGE), (LOSS_FILE, LOSS.format(factor=1))):
            path = folder / name
            path.parent.mkdir(parents=True)
            path.write_text(text)
            path.with_name("__init__.py").write_text("")
        self.git("init", "-q")
        self.commit()

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> str:
        """Commit all that is there; return the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "one")
        return self.head

    @property
    def head(self) -> str:
        head = head_of(self.folder)
        assert head is not None
        return head

    def change(self, factor: int) -> None:
        """Let the loss be another one; nothing is committed."""
        (self.folder / LOSS_FILE).write_text(LOSS.format(factor=factor))

    def revert(self) -> None:
        """Put back what the commit has."""
        self.git("checkout", "-q", "--", ".")

    def made(self) -> dict[str, Any]:
        """What the stage would record if it started now."""
        code = CodeReader(self.folder).of("train", item="sdf")
        return stage_provenance(code, kinds=(), state=git_state(self.folder), seed=0, device="cpu")
