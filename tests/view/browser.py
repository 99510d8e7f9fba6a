"""A headless Chromium, driven by its DevTools protocol: pages are opened, looked at and asked."""

import base64
import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--hide-scrollbars",
    "--mute-audio",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--remote-debugging-port=0",
)


def chromium() -> str | None:
    """Where Chromium is, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page of a browser.

    Args:
        socket: The connection to its DevTools.
    """

    def __init__(self, socket: Any) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def ask(self, script: str) -> Any:
        """Return the value of an expression of JavaScript; promises are waited for."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.enable")
        self.call("Page.navigate", url=url)
        self.wait("document.readyState !== 'loading' && location.href !== 'about:blank'")

    def count_messages(self) -> None:
        """Have pages opened from now on count, as ``window.heard``, what their workers hand over."""
        script = """
            window.heard = 0; const Plain = Worker;
            window.Worker = class extends Plain {
                constructor(...a) { super(...a); this.addEventListener('message', () => { window.heard++ }) }
            };"""
        self.call("Page.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def wait(self, script: str, timeout_s: float = 30.0) -> float:
        """Wait until an expression is true and return the seconds that took."""
        begun = time.perf_counter()
        while not self.ask(script):
            assert time.perf_counter() - begun < timeout_s, f"not within {timeout_s} s: {script}"
            time.sleep(0.02)
        return time.perf_counter() - begun

    def picture(self) -> np.ndarray:
        """Return what is seen ``(H, W, 3)`` uint8."""
        return _rgb(self.call("Page.captureScreenshot", format="png")["data"])

    def film(self, seconds: float, until: Callable[[np.ndarray], bool] | None = None) -> list[tuple[float, np.ndarray]]:
        """Return what the browser draws, with the time of each frame [s, as ``time.time``]; at most for some time.

        Args:
            seconds: How long.
            until: Ends it with the first frame for which this is true.
        """
        self.call("Page.startScreencast", format="jpeg", quality=60)
        frames, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end and not (until and frames and until(frames[-1][1])):
            for event in self.heard("Page.screencastFrame"):
                frames.append((event["metadata"]["timestamp"], _rgb(event["data"])))
                self.call("Page.screencastFrameAck", sessionId=event["sessionId"])
        self.call("Page.stopScreencast")
        return frames

    def heard(self, method: str, timeout_s: float = 0.1) -> list[dict[str, Any]]:
        """Return the events of a kind that have come, waiting a little for the first."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.events.append(json.loads(self._socket.recv(timeout=timeout_s)))
                timeout_s = 0.0
        found = [event["params"] for event in self.events if event.get("method") == method]
        self.events = [event for event in self.events if event.get("method") != method]
        return found

    def press(self, text: str) -> None:
        """Click the button with this text, once it is there."""
        find = f"[...document.querySelectorAll('button')].find(b => b.textContent.trim() === {json.dumps(text)})"
        self.wait(f"(() => {{ const b = {find}; if (b) b.click(); return !!b }})()")

    def wait_for_text(self, text: str) -> None:
        """Wait until the page has this text."""
        self.wait(f"document.body.textContent.includes({json.dumps(text)})")


def _rgb(data: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


@contextlib.contextmanager
def browser(program: str, folder: Path, size: tuple[int, int] = (800, 600)) -> Iterator[Page]:
    """Start a browser, give its page, and end it."""
    from websockets.sync.client import connect

    command = [program, *FLAGS, f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        file, until = folder / "DevToolsActivePort", time.perf_counter() + 60
        while not file.is_file() or len(file.read_text().split()) < 2:
            assert process.poll() is None and time.perf_counter() < until, "the browser does not start"
            time.sleep(0.05)
        port = file.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
            pages = json.load(answer)
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(address, max_size=None, open_timeout=30) as socket:
            yield Page(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
