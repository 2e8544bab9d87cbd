import io
import logging
import sys
import threading

from ltm3d.transforms import asset_progress as progress
from ltm3d.transforms.asset_progress import Progress


def test_plain_lines_now_and_then_where_there_is_no_terminal(caplog, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO), Progress("render", 60) as bar:
        for _ in range(6):
            clock[0] += 4
            bar.advance(10)
    assert [record.message for record in caplog.records] == [
        "render: 30 of 60 assets, 2.5 assets/s, 12 s left",
        "render: 60 of 60 assets, 2.5 assets/s, 0 s left",
    ]
    assert bar.summary() == "60 assets in 24.0 s (2.5 assets/s)"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal(caplog, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with caplog.at_level(logging.INFO), Progress("render", 10) as bar:
        bar.advance(5)
        bar._bar.refresh()
    assert "render" in terminal.getvalue() and "5/10" in terminal.getvalue()
    assert "assets/s" in terminal.getvalue()
    assert not caplog.records


def test_a_line_says_where_nothing_moves_for_long(caplog, monkeypatch):
    monkeypatch.setattr(progress, "QUIET_FOR", 0.05)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.WARNING), Progress("render", 60) as bar:
        bar.advance(20)
        while not caplog.records:
            threading.Event().wait(0.01)
    first = caplog.records[0].message
    assert first.startswith("render: no shard was finished for 0 s; 20 of 60 assets are done.") and "CPUs" in first
    assert not [each for each in threading.enumerate() if each.name == "progress" and not ended(each)]


def ended(thread: threading.Thread) -> bool:
    thread.join(timeout=5)
    return not thread.is_alive()
