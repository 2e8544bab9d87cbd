"""Downloads against a small local server that fails in the ways a real one does."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ltm3d.errors import AssetError
from ltm3d.sources.fetch_file import download

CONTENT = b"glTF" + bytes(range(256)) * 40


class Server(BaseHTTPRequestHandler):
    """/good, /cut (fewer bytes than said), /wrong (another hash than said), /flaky (500 twice), else 404."""

    counts: dict[str, int]

    def do_GET(self) -> None:
        self.counts[self.path] = self.counts.get(self.path, 0) + 1
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
            self.send_header("Location", self.path.replace("/moved", ""))
            self.end_headers()
            return
        if self.path == "/flaky" and self.counts[self.path] < 3:
            self.send_error(500)
            return
        if self.path not in ("/good", "/cut", "/wrong", "/flaky"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write({"/cut": CONTENT[:99], "/wrong": CONTENT[::-1]}.get(self.path, CONTENT))

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, int]]]:
    class Handler(Server):
        counts: dict[str, int] = {}  # noqa: RUF012

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", Handler.counts
        running.shutdown()
        thread.join()


def fetch(url: str, target: Path, num_tries: int = 3) -> str:
    return download(url, target, timeout_s=5, num_tries=num_tries, pause_s=0.01)


def test_a_whole_file_is_put_in_place(server: tuple[str, dict[str, int]], tmp_path: Path) -> None:
    for path in ("/good", "/moved/good"):
        target = tmp_path / path[1:] / "model.glb"
        assert fetch(server[0] + path, target) == hashlib.sha256(CONTENT).hexdigest()
        assert target.read_bytes() == CONTENT and [file.name for file in target.parent.iterdir()] == ["model.glb"]


def test_a_failing_server_is_tried_again(server: tuple[str, dict[str, int]], tmp_path: Path) -> None:
    fetch(f"{server[0]}/flaky", tmp_path / "model.glb")
    assert (tmp_path / "model.glb").read_bytes() == CONTENT and server[1]["/flaky"] == 3


@pytest.mark.parametrize(("path", "message"), [("/cut", "bytes|IncompleteRead"), ("/moved/wrong", "sha256 is")])
def test_a_broken_file_is_never_left(
    server: tuple[str, dict[str, int]], tmp_path: Path, path: str, message: str
) -> None:
    with pytest.raises(AssetError, match=message) as error:
        fetch(server[0] + path, tmp_path / "model.glb")
    assert error.value.reason == "fetch_error" and server[1][path] == 3
    assert list(tmp_path.iterdir()) == []


def test_an_absent_file_is_not_tried_again(server: tuple[str, dict[str, int]], tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="HTTP 404"):
        fetch(f"{server[0]}/absent", tmp_path / "model.glb")
    assert server[1]["/absent"] == 1


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(AssetError, match="refused"):
        fetch("http://127.0.0.1:9/model.glb", tmp_path / "model.glb", num_tries=2)
