"""`dvc plots show` in a browser that reaches nothing."""

import json
import subprocess
import sys
from pathlib import Path

import browser
import pytest

from ltm3d.errors import ConfigError
from pipelines import plots_template

needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium here: apt-get install chromium")


@pytest.mark.slow
@needs_browser
def test_a_plot_is_drawn_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], check=True)
    plots_template.main()
    Path("train.json").write_text(json.dumps([{"step": step, "loss": 1 / (1 + step)} for step in range(20)]))
    Path("dvc.yaml").write_text("plots:\n  - train.json: {x: step, y: loss}\n")
    subprocess.run([*dvc, "plots", "show"], check=True, capture_output=True)
    page_file = next(Path("dvc_plots").rglob("index.html"))
    with browser.open_browser(900, 600) as page:
        page.open(page_file.resolve().as_uri())
        page.wait("document.querySelector('canvas.marks, svg.marks') !== null")
        picture = page.picture()
        asked = [request for request in page.requests if request.startswith("http")]
        errors = [line for line in page.console if "Error" in line or "ERR_" in line]  # Vega warns of its versions
    assert asked == [] and errors == []
    assert (picture.min(axis=2) < 200).sum() > 1000, "a curve, axes and words are seen"


def test_outside_of_a_checkout_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"has no folder \.dvc"):
        plots_template.main()
