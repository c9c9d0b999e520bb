"""A real browser without a window, driven through the DevTools protocol over two pipes; nothing but the standard library."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # containers allow none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--mute-audio",
    "--remote-debugging-pipe",
)


KEYS = {"Tab": 9, "Enter": 13, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36}
KEYS |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def browser() -> str | None:
    """The program of a browser with the DevTools protocol on this machine; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def opened(program: str) -> Iterator["Tab"]:
    """A tab of a new browser with an empty profile; the browser ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        (read, ours), (theirs, write) = _pipe(), _pipe()
        # the protocol wants handles 3 and 4
        actions = [(os.POSIX_SPAWN_OPEN, output, os.devnull, os.O_WRONLY, 0) for output in (1, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, read, 3), (os.POSIX_SPAWN_DUP2, write, 4)]
        process = os.posix_spawn(program, [program, *OPTIONS, f"--user-data-dir={profile}"], os.environ, file_actions=actions)
        os.close(read), os.close(write)
        try:
            tab = Tab(ours, theirs)
            yield tab
            tab.close()
        finally:
            os.close(ours), os.close(theirs)
            _end(process)


def _pipe() -> list[int]:
    """A pipe whose handles are no small numbers, so that they do not stand in the way of 3 and 4."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(end)
    return ends


def _end(process: int, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


class Tab:
    """One tab of a browser.

    Attributes:
        requests: URLs that the page asked for, in order.
        complaints: errors of its scripts, and what its own policy refused.
    """

    def __init__(self, write: int, read: int, seconds: float = 60) -> None:
        self._write, self._read, self._seconds = write, read, seconds
        self._number, self._rest, self._session = 0, b"", ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command of the protocol and wait for its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        whole = json.dumps(message).encode() + b"\0"
        while whole:
            whole = whole[os.write(self._write, whole) :]
        until = time.monotonic() + self._seconds
        while (answer := self._next(until)).get("id") != self._number:
            pass
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                raise AssertionError("the browser does not answer" if not ready else "the browser has ended")
            self._rest += part
        line, self._rest = self._rest.split(b"\0", 1)
        message = json.loads(line)
        what, about = message.get("method"), message.get("params", {})
        if what == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif what == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(about["exceptionDetails"]))
        elif what == "Log.entryAdded":
            self.complaints.append(about["entry"]["text"])
        return message

    def value(self, script: str) -> Any:
        """What a piece of JavaScript gives; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script[:200]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 20) -> Any:
        """Ask until the answer is true in JavaScript's sense; returns it."""
        until = time.monotonic() + seconds
        while not (answer := self.value(script)):
            if time.monotonic() > until:
                raise AssertionError(f"still {answer!r} after {seconds:g} seconds: {script}")
            time.sleep(0.02)
        return answer

    def grave_faults(self) -> list[tuple[str, str]]:
        """What axe calls serious or critical on the open page: the rule, and the first element that breaks it."""
        folder = Path(str(find_spec("axe_core_python").submodule_search_locations[0]))
        self.value((folder / "axe.min.js").read_text(encoding="utf-8") + ";0")
        found = self.value("axe.run().then((found) => found)")
        assert found["passes"], "axe has looked at nothing"
        grave = ("serious", "critical")
        return [(f["id"], f["nodes"][0]["html"][:200]) for f in found["violations"] if f["impact"] in grave]

    def open(self, path: Path, fragment: str = "", width: int = 1280, height: int = 800, dark: bool = False) -> None:
        """Open a file anew in a window of this size, and wait until it is loaded."""
        self.requests.clear(), self.complaints.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Page.navigate", url="about:blank")  # the same file with another fragment would not be loaded again
        self.wait("location.href === 'about:blank' && document.readyState === 'complete'")
        self.requests.clear()
        self.call("Page.navigate", url=path.resolve().as_uri() + fragment)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def click(self, x: float, y: float, to: tuple[float, float] | None = None) -> None:
        """Press the mouse at a place of the window; move to another one if given; let go."""
        where, button = {"x": x, "y": y}, {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **where)
        self.call("Input.dispatchMouseEvent", type="mousePressed", **where, **button)
        if to is not None:
            where = {"x": to[0], "y": to[1]}
            self.call("Input.dispatchMouseEvent", type="mouseMoved", button="left", buttons=1, **where)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **where, **button)

    def press(self, key: str) -> None:
        """Press a key: a character, or a name such as ``ArrowRight``."""
        about = {"key": key, "windowsVirtualKeyCode": KEYS[key] if key in KEYS else ord(key)}
        if key in KEYS:
            about["code"] = key
        if len(key) == 1 or key == "Enter":
            about["text"] = "\r" if key == "Enter" else key
        self.call("Input.dispatchKeyEvent", type="keyDown", **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def screenshot(self, whole: bool = False) -> bytes:
        """What the window shows, or the whole page, as a PNG file."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def close(self) -> None:
        """End the browser."""
        self._session = ""
        self.call("Browser.close")
