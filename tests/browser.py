"""A real browser for tests of pages: Chromium without a window, driven over its own protocol.

Commands and events are JSON, ended by a zero byte, on two pipes that Chromium finds as files 3 and
4, so that nothing beyond the standard library is needed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")

KEYS = {
    "Tab": 9, "Enter": 13, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip
"""Keys that print nothing, by the number that Chromium has for them."""


def path_of_browser() -> str:
    """Where Chromium is; a test that needs it is skipped where there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no browser on this machine: none of {', '.join(NAMES)}")


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Run Chromium with a profile in a folder, and end it afterwards."""
    command = [
        path_of_browser(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-dev-shm-usage", "--remote-debugging-pipe",
        f"--user-data-dir={folder}", "about:blank",
    ]  # fmt: skip
    (hear, say), (listen, tell) = os.pipe(), os.pipe()
    # The shell puts the pipes where Chromium looks for them.
    shell = ["bash", "-c", f'exec "$0" "$@" 3<&{hear} 4>&{tell}', *command]
    process = subprocess.Popen(
        shell, pass_fds=(hear, tell), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    os.close(hear)
    os.close(tell)
    with open(say, "wb", buffering=0) as commands, open(listen, "rb", buffering=0) as answers:
        try:
            yield Browser(commands, answers)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def is_load(event: Mapping[str, Any], loader: str) -> bool:
    """Whether an event says that what a loader loads is there, scripts run."""
    own = event["params"]
    return event["method"] == "Page.lifecycleEvent" and (own["name"], own["loaderId"]) == (
        "load",
        loader,
    )


class Browser:
    """One page of Chromium."""

    def __init__(self, commands: Any, answers: Any) -> None:
        self.commands = commands
        self.answers = answers
        self.pending = b""
        self.count = 0
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come before are kept."""
        self.count += 1
        message: dict[str, Any] = {"id": self.count, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        self.commands.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.count:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def read(self) -> dict[str, Any]:
        """The next message of the browser."""
        while b"\0" not in self.pending:
            read = os.read(self.answers.fileno(), 1 << 16)
            assert read, "the browser has ended"
            self.pending += read
        line, _, self.pending = self.pending.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a page anew, whatever it was before, and wait until it is there."""
        self.load("about:blank")
        self.events.clear()
        self.load(f"{path.as_uri()}{fragment}")

    def load(self, address: str) -> None:
        """Go to an address that is not this page's."""
        loader = self.call("Page.navigate", url=address)["loaderId"]
        while not any(is_load(event, loader) for event in self.events):
            self.events.append(self.read())

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives, as JSON."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def told(self) -> dict[str, Any]:
        """What a screen reader is told of the element that has the focus."""
        found = self.call("Runtime.evaluate", expression="document.activeElement")
        own = found["result"]["objectId"]
        nodes = self.call("Accessibility.getPartialAXTree", objectId=own, fetchRelatives=False)
        told: dict[str, Any] = nodes["nodes"][0]
        return told

    def role(self) -> str:
        """What kind of element has the focus."""
        return str(self.told()["role"]["value"])

    def name(self) -> str:
        """What the element that has the focus is called."""
        return str(self.told()["name"]["value"])

    def texts(self, selector: str) -> list[str]:
        """Texts of the elements that a selector finds."""
        return list(
            self.value(
                f"Array.from(document.querySelectorAll({json.dumps(selector)}),"
                " (node) => node.textContent)"
            )
        )

    def press(self, key: str, times: int = 1) -> None:
        """Press a key, so often, wherever the focus is."""
        code = KEYS.get(key, ord(key[0].upper()))
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                own = text if kind == "keyDown" else {}
                self.call(
                    "Input.dispatchKeyEvent", type=kind, key=key, code=key,
                    windowsVirtualKeyCode=code, **own,
                )  # fmt: skip

    def size(self, width: int, height: int = 900) -> None:
        """Give the window a size."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def scheme(self, name: str, medium: str = "screen") -> None:
        """Prefer light or dark, on a screen or in print."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", media=medium, features=[feature])

    def picture(self, *, whole: bool = False) -> bytes:
        """What is seen, as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def complaints(self) -> list[str]:
        """What the console says was wrong since the page was opened."""
        self.value("0")
        return [
            json.dumps(event["params"])
            for event in self.events
            if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]

    def requests(self) -> list[str]:
        """Addresses that the page asked for, but those in itself."""
        self.value("0")
        asked = (e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent")
        return [
            str(own["request"]["url"])
            for own in asked
            if not own["request"]["url"].startswith("data:")
        ]
