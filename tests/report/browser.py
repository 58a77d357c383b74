"""A headless browser on a string: opens a page, says what it complained of and fetched, takes pictures of it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import websocket


SECONDS = 60.0


def executable() -> str:
    """Where Chromium is. Without it tests are skipped, or fail where CI is set: there it has to be."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        words = "Pages are opened in a browser: install the package chromium (apt-get install chromium)."
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return found


class Browser:
    """One browser with one tab, used as a `with` block; it keeps what it is given in `folder` alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._number = 0

    def __enter__(self) -> Browser:
        profile = self.folder / "profile"
        switches = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
                    "--hide-scrollbars", "--remote-debugging-port=0", f"--user-data-dir={profile}"]  # fmt: skip
        self._log = (self.folder / "browser.log").open("wb")
        self._process = subprocess.Popen(
            [executable(), *switches, "about:blank"], stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL
        )
        port = self._port(profile / "DevToolsActivePort")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=SECONDS) as answer:
            tab = next(entry for entry in json.load(answer) if entry["type"] == "page")
        self._socket = websocket.create_connection(
            tab["webSocketDebuggerUrl"], timeout=SECONDS, suppress_origin=True, max_size=None
        )
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self.call("Browser.close")
        self._socket.close()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its answer; what happens meanwhile is kept in `events`."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, page: Path, *, width: int, height: int = 900, dark: bool = False, media: str = "") -> None:
        """Open a file at a width in CSS pixels, in light or dark, and wait until it is drawn."""
        self.events.clear()
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.call("Page.navigate", url=page.resolve().as_uri())
        deadline = time.monotonic() + SECONDS
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < deadline, "the page did not load"
            self.evaluate("1")
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def evaluate(self, expression: str) -> Any:
        """What an expression gives in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, *, whole: bool = True) -> bytes:
        """The page as PNG, all of it or what fits on the screen."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str) -> None:
        """Press and release a key by its name, such as "ArrowLeft"."""
        code = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35, "Tab": 9}[key]
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def complaints(self) -> list[str]:
        """Errors, warnings and violations of the page's policy, in the browser's words."""
        found = []
        for event in self.events:
            words = json.dumps(event["params"])
            is_log = event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] in ("error", "warning")
            if is_log or event["method"] in (
                "Runtime.exceptionThrown",
                "Runtime.consoleAPICalled",
                "Audits.issueAdded",
            ):
                found.append(words)
        return found

    def requests(self) -> list[str]:
        """Every address that the page asked for, itself and data inside it left out."""
        sent = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        urls = [entry["request"]["url"] for entry in sent if entry.get("type") != "Document"]
        return [url for url in urls if not url.startswith("data:")]

    def _port(self, file: Path) -> int:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if file.exists() and (lines := file.read_text().splitlines()):
                return int(lines[0])
            assert self._process.poll() is None, (self.folder / "browser.log").read_text()[-2000:]
            time.sleep(0.05)
        raise AssertionError("the browser did not start")
