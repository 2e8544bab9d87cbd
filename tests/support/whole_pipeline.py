"""All stages on a tiny recipe, run by DVC in a checkout of its own: a copy of this one, committed as it is now."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TIMEOUT_S = 2400  # of all stages, on a machine that does other things
RECIPE = (
    "experiment=smoke",
    "sources.procedural.num_objects=28",
    "download.num_shards=2",
    *(
        f"{part}.training.{name}={value}"
        for part in ("tokenizer.sdf", "ltr.sdf", "generator.sdf")
        for name, value in (("num_steps", 4), ("warmup_steps", 1))
    ),
    "attribute_reader.training.num_objects=28",
    "attribute_reader.training.num_epochs=1",
    "evaluation.num_gallery_assets=1",
)


class Checkout:
    """A checkout in which commands run as people run them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def new(cls, folder: Path) -> "Checkout":
        """Copy the files that are or would be in git, compose the tiny recipe, and commit all of it."""
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=REPOSITORY, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            source = REPOSITORY / name
            if source.is_file() and name != "dvc.lock":
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder / name)
        checkout = cls(folder)
        checkout.run("git", "init", "--quiet")
        checkout.run(sys.executable, "-m", "pipelines.compose", *RECIPE)
        checkout.commit()
        return checkout

    def run(self, *command: str, code: int | None = 0) -> str:
        """Run a command to its end; return all that it says.

        Args:
            code: the exit code that is expected; None = any.
        """
        environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(self.folder)}
        environment |= {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, text=True, timeout=TIMEOUT_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert code is None or done.returncode == code, f"{' '.join(command)}: {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def ltm3d(self, *arguments: str, code: int | None = 0) -> str:
        program = "import sys; from ltm3d.cli.app import main; main(sys.argv[1:])"
        return self.run(sys.executable, "-c", program, *arguments, code=code)

    def commit(self) -> str:
        """Commit all that git does not ignore; return the commit."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", "as it is")
        return self.run("git", "rev-parse", "HEAD").strip()

    def replace(self, file: str, old: str, new: str) -> None:
        """Edit a file of code."""
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new))

    @property
    def receipt(self) -> dict[str, Any]:
        return json.loads((self.folder / "data/receipts/sdf.json").read_text())

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"


def stages_run(output: str) -> list[str]:
    """The stages that DVC started, by what it printed."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")]
