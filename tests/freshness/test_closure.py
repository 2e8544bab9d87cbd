"""Which files a stage's results depend on."""

from pathlib import Path

import pytest

from ltm3d.freshness.closure import ORCHESTRATION, SourceTree, is_orchestration

FILES = {
    "ltm3d/__init__.py": "def __getattr__(name):\n    return getattr(import_module('ltm3d.api'), name)\n",
    "ltm3d/tracking/__init__.py": "",
    "ltm3d/tracking/client.py": "import ltm3d\nimport ltm3d.reached\n",
    "ltm3d/reached.py": "X = 1\n",
    "ltm3d/kinds.py": "def kind(name):\n    return import_module(f'ltm3d.shapes.{name}')\n",
    "ltm3d/shapes/__init__.py": "",
    "ltm3d/shapes/ball.py": "from ltm3d.shapes.round import r\n",
    "ltm3d/shapes/round.py": "r = 1\n",
    "ltm3d/shapes/cube.py": "c = 1\n",
    "ltm3d/shapes/page.html": "<p>\n",
    "ltm3d/shapes/assets/page.css": "p\n",
    "ltm3d/lonely.py": "X = 2\n",
    "ltm3d/api.py": "X = 3\n",
    "pipelines/stage.py": "from ltm3d.kinds import kind\nfrom ltm3d.tracking import client\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> SourceTree:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return SourceTree(tmp_path)


def test_imports_are_followed_through_orchestration(tree: SourceTree) -> None:
    found = tree.closure("pipelines.stage", items=["ball"])
    assert found == {"pipelines.stage", "ltm3d.kinds", "ltm3d.reached", "ltm3d.shapes.ball", "ltm3d.shapes.round"}


@pytest.mark.parametrize("items", [(), ("procedural",)])
def test_a_name_that_is_not_known_may_be_any_module_of_the_package(tree: SourceTree, items: tuple[str, ...]) -> None:
    assert {"ltm3d.shapes.ball", "ltm3d.shapes.cube"} <= tree.closure("pipelines.stage", items)


def test_other_files_of_a_package_come_with_its_modules(tree: SourceTree) -> None:
    files = tree.digests(["ltm3d.shapes.cube"])
    assert set(files) == {"ltm3d/shapes/cube.py", "ltm3d/shapes/page.html", "ltm3d/shapes/assets/page.css"}
    assert set(tree.digests(["ltm3d.kinds"])) == {"ltm3d/kinds.py"}


def test_orchestration_names_what_is_there(repository: Path) -> None:
    modules = SourceTree(repository).modules
    assert not [name for name in ORCHESTRATION if name not in modules]
    assert is_orchestration("ltm3d.tracking.client") and not is_orchestration("ltm3d.tracking_of_errors")
