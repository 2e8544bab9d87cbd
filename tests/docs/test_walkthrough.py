"""examples/walkthrough.ipynb: it runs from its first cell to its last, and stands in git with its pictures."""

from pathlib import Path

import nbformat
import pytest
from imports import REPOSITORY
from nbclient import NotebookClient

PATH = REPOSITORY / "examples" / "walkthrough.ipynb"
NUM_PICTURES = 5


def pictures(notebook: nbformat.NotebookNode) -> list[str]:
    """The PNG files that its cells drew, in base64."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]


def test_it_is_committed_as_it_ran() -> None:
    notebook = nbformat.read(PATH, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert len(pictures(notebook)) == NUM_PICTURES
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_runs_with_few_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WALKTHROUGH_STEPS", "5")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel draws into the notebook
    notebook = nbformat.read(PATH, as_version=4)
    before = pictures(notebook)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(PATH.parent)}}).execute()
    drawn = pictures(notebook)
    assert len(drawn) == NUM_PICTURES
    assert drawn[2:] != before[2:], "trained for other steps"
    assert any("shape.glb" in output.get("text", "") for output in notebook.cells[-2].outputs)
