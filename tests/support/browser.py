"""A real headless Chromium, driven over its debugging port: pictures, console, mouse."""

import asyncio
import base64
import io
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from PIL import Image

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)
START_TIMEOUT_S = 40


class Browser:
    """One page. `console` holds the errors and warnings it gave, `requests` every address it asked for."""

    def __init__(self, socket: str, width: int, height: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.console: list[str] = []
        self.requests: list[str] = []
        self._id = 0
        self._page: str | None = None
        self.loop.run_until_complete(self._open(socket, width, height))

    async def _open(self, socket: str, width: int, height: int) -> None:
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(socket, max_msg_size=0)
        target = await self._send("Target.createTarget", url="about:blank")
        attached = await self._send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._page = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self._send(f"{domain}.enable", page=True)
        await self._send(
            "Emulation.setDeviceMetricsOverride",
            page=True,
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def _send(self, method: str, *, page: bool = False, **params: Any) -> dict[str, Any]:
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if page:
            message["sessionId"] = self._page
        await self._socket.send_json(message)
        while True:
            answer = json.loads((await asyncio.wait_for(self._socket.receive(), 30)).data)
            if answer.get("id") == self._id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("sessionId", self._page) != self._page:
            return
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.console.append(json.dumps(params["exceptionDetails"])[:500])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.console.append(json.dumps(params["args"])[:500])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                if "GL Driver Message" not in params["entry"]["text"]:  # the software renderer, on its own speed
                    self.console.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command of the debugging protocol to the page."""
        return self.loop.run_until_complete(self._send(method, page=True, **params))

    def open(self, address: str) -> None:
        """Load an address and wait until it is complete."""
        self.send("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of a script expression."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:800])
        return answer["result"].get("value")

    def wait(self, expression: str, timeout_s: float = 20) -> None:
        """Wait until a script expression is true."""
        for _ in range(int(timeout_s / 0.1)):
            if self.evaluate(f"!!({expression})"):
                return
            self.loop.run_until_complete(asyncio.sleep(0.1))
        raise TimeoutError(f"{expression} stayed false for {timeout_s} s; console: {self.console}")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key, by its name and its virtual key code."""
        named = {"key": key, "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code}
        typed = {"text": text} if text else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **named, **typed)
        self.send("Input.dispatchKeyEvent", type="keyUp", **named)

    @contextmanager
    def inside(self, address_start: str) -> Iterator[None]:
        """Talk to a frame that has a process of its own, as a sandboxed one; `console` is the frame's meanwhile."""
        outer, outer_console = self._page, self.console
        for _ in range(200):
            infos = self.loop.run_until_complete(self._send("Target.getTargets"))["targetInfos"]
            found = [info for info in infos if info["type"] == "iframe" and info["url"].startswith(address_start)]
            if found:
                break
            self.loop.run_until_complete(asyncio.sleep(0.1))
        else:
            raise TimeoutError(f"no frame begins with {address_start}: {[info['url'] for info in infos]}")
        attached = self.loop.run_until_complete(
            self._send("Target.attachToTarget", targetId=found[0]["targetId"], flatten=True)
        )
        self._page, self.console = attached["sessionId"], []
        try:
            for domain in ("Runtime", "Log", "Network"):
                self.send(f"{domain}.enable")
            yield
        finally:
            self._page, self.console = outer, outer_console

    def center(self, selector: str) -> tuple[float, float]:
        """Scroll an element into sight and return its middle, in pixels."""
        box = self.evaluate(
            f"(() => {{ const element = document.querySelector({json.dumps(selector)});"
            " element.scrollIntoView({block: 'center'}); const box = element.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        return box[0], box[1]

    def hover(self, selector: str) -> None:
        """Move the mouse onto an element."""
        x, y = self.center(selector)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        """Click on an element."""
        x, y = self.center(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def dark(self, on: bool) -> None:
        """Set what the machine prefers, dark or light."""
        value = "dark" if on else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def picture(self, path: Path | None = None) -> np.ndarray:
        """Return what is seen, uint8 [H, W, 3], and write it to `path` as PNG."""
        data = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(data)
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def close(self) -> None:
        """Leave the page; the process is ended by `open_browser`."""
        self.loop.run_until_complete(self._session.close())
        self.loop.close()


@contextmanager
def open_browser(width: int = 1280, height: int = 900) -> Iterator[Browser]:
    """Start Chromium with its own profile and end it afterwards."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="ltm3d-browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        browser = None
        try:
            port, path = _wait_for_port(Path(profile) / "DevToolsActivePort", process)
            browser = Browser(f"ws://127.0.0.1:{port}{path}", width, height)
            yield browser
        finally:
            if browser is not None:
                browser.close()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=20)


def _wait_for_port(file: Path, process: subprocess.Popen) -> tuple[str, str]:
    for _ in range(START_TIMEOUT_S * 10):
        if file.is_file() and len(lines := file.read_text().split()) == 2:
            return lines[0], lines[1]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"{PROGRAM} gave no debugging port within {START_TIMEOUT_S} s; exit status {process.poll()}")
