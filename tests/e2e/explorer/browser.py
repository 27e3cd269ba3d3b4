"""A headless Chromium, led over its DevTools protocol; what it logs and asks for is kept."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

START_SECONDS_MAX = 60.0
WAIT_SECONDS_MAX = 60.0
CALL_SECONDS_MAX = 60.0
_POLL_SECONDS = 0.05
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions", "--hide-scrollbars",
    "--remote-debugging-port=0", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip


def chromium() -> str:
    found = shutil.which("chromium")
    assert found is not None, "chromium is missing: make setup-checks brings it"
    return found


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._session: str | None = None
        self.problems: list[str] = []
        """Errors and warnings of the console, and exceptions nobody caught."""
        self.requests: list[str] = []
        self.sockets: list[str] = []
        """Addresses of the WebSocket connections that were opened."""
        self.heads = 0
        """Notifications that came over them."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """A command's result; events that come first are taken in."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._connection.send(json.dumps(message))
        while True:
            answer = json.loads(self._connection.recv(CALL_SECONDS_MAX))
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._take(answer)

    def _take(self, event: dict[str, Any]) -> None:
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.problems.append(f"{told['type']}: {[part.get('value', part.get('description')) for part in told['args']]}")
        elif method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif method == "Network.webSocketCreated":
            self.sockets.append(told["url"])
            self.requests.append(told["url"])
        elif method == "Network.webSocketFrameReceived" and "eth_subscription" in told["response"]["payloadData"]:
            self.heads += 1
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])

    def evaluate(self, script: str) -> Any:
        """The value of an expression, awaited."""
        given = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in given, given["exceptionDetails"].get("exception", given["exceptionDetails"])
        return given["result"].get("value")

    def wait(self, script: str, seconds: float = WAIT_SECONDS_MAX) -> Any:
        """The first value of an expression that is true."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(script)):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {script}\n{self.text()[:2000]}\n{self.problems}"
            time.sleep(_POLL_SECONDS)
        return value

    def before_each_page(self, script: str) -> None:
        """Runs a script in every page that is opened from now on, before its own."""
        self.send("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, url: str) -> None:
        """Goes to an address; a new hash leaves the page loaded."""
        self.send("Page.navigate", url=url)

    def reload(self) -> None:
        self.send("Page.reload")

    def text(self) -> str:
        """What there is to read in the page's main part."""
        return str(self.evaluate("document.querySelector('main')?.innerText ?? ''"))

    def wait_text(self, *texts: str, seconds: float = WAIT_SECONDS_MAX) -> None:
        """Until the page's main part says all of it."""
        self.wait(f"{json.dumps(texts)}.every((text) => (document.querySelector('main')?.innerText ?? '').includes(text))", seconds)

    def click(self, selector: str, text: str = "") -> None:
        """Clicks the first element that matches and holds a text, once it is there."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].find((one) => one.textContent.includes({json.dumps(text)}))"
        self.wait(f"(() => {{ const one = {found}; if (one) one.click(); return Boolean(one); }})()")

    def fill(self, selector: str, text: str) -> None:
        """Types into a field."""
        self.wait(f"Boolean(document.querySelector({json.dumps(selector)}))")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus(), document.querySelector({json.dumps(selector)}).value = ''")
        self.send("Input.insertText", text=text)

    def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **extra)

    def resize(self, width: int, height: int, *, is_phone: bool = False, scale: float = 1) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=is_phone)

    def prefer(self, scheme: str) -> None:
        """`light` or `dark`."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path, quality: int | None = None) -> None:
        """What is seen, as PNG, or as JPEG of a quality."""
        form: dict[str, Any] = {"format": "png"} if quality is None else {"format": "jpeg", "quality": quality}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", **form)["data"]))


@contextmanager
def browsing(folder: Path) -> Iterator[Page]:
    """A page of a browser that has never been used; the browser is ended by its id."""
    profile = folder / "profile"
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen([chromium(), *_FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=log, stderr=log)
        try:
            with connect(_address(profile, process), max_size=None, open_timeout=START_SECONDS_MAX) as connection:
                yield Page(connection)
                connection.send(json.dumps({"id": 0, "method": "Browser.close"}))
                with_rest(connection)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def with_rest(connection: ClientConnection) -> None:
    """Reads until the browser has closed the connection."""
    try:
        while True:
            connection.recv(CALL_SECONDS_MAX)
    except ConnectionClosed:
        return


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the browser listens, as it writes once it does."""
    port_file, deadline = profile / "DevToolsActivePort", time.monotonic() + START_SECONDS_MAX
    while not port_file.exists() or len(lines := port_file.read_text().split()) < 2:
        assert process.poll() is None, f"chromium ended by itself with {process.returncode}"
        assert time.monotonic() < deadline, "chromium does not start"
        time.sleep(_POLL_SECONDS)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
