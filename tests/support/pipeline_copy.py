"""A copy of the project as it stands, under git, in which `dvc repro` runs a tiny recipe."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from imports import REPOSITORY

LEFT_OUT = ("docs", "benchmarks", "tests", "deploy", "data", "dvc.lock")
BIN = Path(sys.executable).parent
TIMEOUT_S = 2400  # of a command, on a machine that does other things
TINY = (
    "experiment=smoke",
    "representations=[sdf]",
    "targets=[sdf]",
    "download.num_shards=3",
)


@dataclass(frozen=True)
class PipelineCopy:
    """A checkout of its own."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def run(self, *command: str, ok: bool = True) -> str:
        """Run a command in the checkout; give what it wrote."""
        environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert (done.returncode == 0) == ok, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def compose(self, *overrides: str) -> None:
        self.run("python", "-m", "pipelines.compose", *overrides)

    def repro(self, *targets: str) -> str:
        return self.run("dvc", "repro", *targets)

    def ltm3d(self, *arguments: str, ok: bool = True) -> str:
        """Run the command line with the code of this checkout."""
        program = f"import sys; sys.path.insert(0, ''); from ltm3d.cli.app import main; main({list(arguments)!r})"
        return self.run("python", "-c", program, ok=ok)

    def commit(self, message: str = "change") -> str:
        """Commit everything but dvc.lock; give the commit."""
        self.run("git", "add", "--all", "--", ".", ":!dvc.lock")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message", message)
        return self.run("git", "rev-parse", "HEAD").strip()

    def edit(self, path: str, before: str, after: str) -> None:
        """Replace a text that stands in a file once."""
        text = (self.folder / path).read_text()
        assert text.count(before) == 1, f"{path} holds {before!r} {text.count(before)} times"
        (self.folder / path).write_text(text.replace(before, after))

    def files(self, *folders: str) -> dict[str, bytes]:
        """Read the files of folders of data/."""
        return {
            path.relative_to(self.data).as_posix(): path.read_bytes()
            for folder in folders
            for path in sorted((self.data / folder).rglob("*"))
            if path.is_file()
        }


def copy_pipeline(folder: Path) -> PipelineCopy:
    """Copy the files that are or would be in git, without pictures, tests and data, and commit them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if name.split("/")[0] not in LEFT_OUT and (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / name)
    copy = PipelineCopy(folder)
    copy.run("git", "init", "--quiet", "--initial-branch=main")
    copy.commit("start")
    return copy


def started(log: str) -> list[str]:
    """Give the stages that a `dvc repro` ran, in order, but for the digests."""
    names = [line.split("'")[1] for line in log.splitlines() if line.startswith("Running stage '")]
    return [name for name in names if name != "digest_inputs"]
