"""Two processes of a script that joins a process group: `python SCRIPT RANK STORE ARGUMENT`."""

import os
import subprocess
import sys
from pathlib import Path


def run_two_ranks(repository: Path, script: str, store: Path, argument: Path) -> None:
    """Run both to their ends, and fail with what they printed if one failed."""
    support = repository / "tests" / "support"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(repository), str(support)])}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", str(support / script), str(rank), str(store), str(argument)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    outputs = [rank.communicate(timeout=500)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(output[-3000:] for output in outputs)
