"""Servers to hold against each other, and a client that records what they say, byte for byte."""

import codecs
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def _program(variable: str, default: str) -> str:
    return os.path.abspath(os.environ.get(variable) or ROOT / "target/debug" / default)


PARLOR = _program("PARLOR_BIN", "parlor")
SCRIPTED = _program("SCRIPTED_BIN", "examples/scripted")
FAKE_MODEL = _program("FAKE_MODEL_BIN", "parlor-fake-model")

# Long for a debug build on a small and busy machine; what takes longer is a hang.
PATIENCE_SECONDS = 120

# What is spoken to is on this machine. Where the way out is a proxy, nothing here takes it, nor do the servers.
for name in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)


class Process:
    """A server process; its address is the first one that it prints."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: str):
        if not Path(command[0]).exists():
            build = "cargo build -p parlor-server -p parlor-fake-model --bins --example scripted"
            raise SystemExit(f"{command[0]} is missing; build it: {build}")
        self.name = name
        self.log = Path(folder) / f"{name}.log"
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PARLOR_", "OPENAI_", "CHATKIT_", "DATABASE_URL"))
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=inherited | environment, cwd=folder, stdout=subprocess.PIPE, stderr=log
            )
        self.deadline = time.monotonic() + PATIENCE_SECONDS
        self._found = threading.Event()
        self.url = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            address = re.search(rb"http://[\d.]+:\d+", line)
            if address and not self.url:
                self.url = address[0].decode()
                self._found.set()
        self._found.set()

    def ready(self) -> "Process":
        """Waits until it listens."""
        self._found.wait(PATIENCE_SECONDS)
        if not self.url:
            raise SystemExit(f"{self.name} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")
        host, port = self.url.removeprefix("http://").split(":")
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=5).close()
                return self
            except (ConnectionRefusedError, TimeoutError):
                # It has said where it will listen, and does not yet.
                if self.process.poll() is not None or time.monotonic() > self.deadline:
                    raise SystemExit(f"{self.name} did not start") from None
                time.sleep(0.02)

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Processes:
    """Starts servers in a folder of their own, and ends them all."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="parlor-conformance-")
        self.running: list[Process] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name: str, command: list[str], **environment: str) -> Process:
        process = Process(name, command, environment, self.folder)
        self.running.append(process)
        return process

    def fake_model(self) -> Process:
        return self.start("fake-model", [FAKE_MODEL, "--listen", "127.0.0.1:0"]).ready()

    def parlor(self, name: str, **environment: str) -> Process:
        """`parlor serve` behind a proxy that names the user, far from UTC, unless the environment says otherwise."""
        usual = {
            "TZ": "America/Los_Angeles",
            "PARLOR_AUTH": "trusted-header",
            "PARLOR_SITE__DEMO": "false",
            # Titles by the model come beside the answer, at a moment of their own; there is a case for them.
            "PARLOR_TITLES__ENABLED": "false",
        }
        command = [PARLOR, "serve", "--listen", "127.0.0.1:0", "--database-url", f"sqlite://{name}.db"]
        return self.start(name, command, **(usual | environment))

    def ingest(self, name: str) -> None:
        """Indexes the test documents for the server of that name."""
        subprocess.run(
            [PARLOR, "ingest", str(HERE / "documents"), "--base-url", "/docs/"]
            + ["--database-url", f"sqlite://{name}.db"],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def scripted(self) -> Process:
        """Parlor's SDK with a responder that plays scripts."""
        return self.start("scripted", [SCRIPTED, "scripted.db"], TZ="America/Los_Angeles")

    def reference(self, model: Process) -> Process:
        return self.start(
            "reference",
            [sys.executable, str(HERE / "reference_server.py")],
            OPENAI_BASE_URL=f"{model.url}/v1",
            OPENAI_API_KEY="none",
        )


@dataclass
class Exchange:
    """A request and what came back."""

    label: str
    operation: str
    expected: tuple[int, str] | None
    """Status and code of Parlor's refusal; nothing where it is accepted."""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    """The body, as it came."""
    broken: bool = False
    """The connection was cut before the body was complete."""
    events: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    """The `id:` of each event."""
    comments: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What is wrong with the bytes themselves."""

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def thread_id(self) -> str:
        """The thread that the stream created."""
        return next(event["thread"]["id"] for event in self.events if event["type"] == "thread.created")

    def items(self, type: str) -> list[dict[str, Any]]:
        """The finished items of a type."""
        done = [event["item"] for event in self.events if event["type"] == "thread.item.done"]
        return [item for item in done if item["type"] == type]

    def take(self, frame: str) -> None:
        """Reads one frame of the stream."""
        data: list[str] = []
        id: str | None = None
        for line in frame.split("\n"):
            if line.startswith(":"):
                self.comments.append(line[1:].strip())
            elif line.startswith("data: "):
                data.append(line[6:])
            elif line.startswith("id: "):
                id = line[4:]
            else:
                self.problems.append(f"a line of the stream that nobody expects: {line!r}")
        if data:
            try:
                self.events.append(json.loads("\n".join(data)))
                self.ids.append(id)
            except ValueError as error:
                self.problems.append(f"an event that is not JSON: {error}: {data}")


class Live:
    """A stream that is being read."""

    def __init__(self, exchange: Exchange, response: requests.Response):
        self.exchange = exchange
        self._response = response
        self._chunks = response.iter_content(None)
        # A character may come in two pieces.
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""

    def _more(self) -> bool:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            return False
        except requests.exceptions.RequestException:
            self.exchange.broken = True
            return False
        self.exchange.text += (text := self._decoder.decode(chunk))
        *frames, self._rest = (self._rest + text).split("\n\n")
        for frame in frames:
            self.exchange.take(frame)
        return True

    def until(self, reached: Callable[[Exchange], bool]) -> Exchange:
        """Reads until a condition holds; it must."""
        while not reached(self.exchange):
            if not self._more():
                raise AssertionError(f"{self.exchange.label}: the stream ended before what was waited for")
        return self.exchange

    def finish(self) -> Exchange:
        """Reads to the end."""
        while self._more():
            pass
        if self._rest.strip("\n") and not self.exchange.broken:
            self.exchange.problems.append(f"the stream ends in the middle of a frame: {self._rest!r}")
        return self.exchange

    def drop(self) -> None:
        """Goes away, as a browser does that is closed."""
        self._response.close()


class Session:
    """One case on one server: its own user, and everything that was said."""

    def __init__(self, name: str, url: str, model: Process | None):
        self.name = name
        self.url = url
        self.model = model
        self.exchanges: list[Exchange] = []
        self.model_requests = 0
        """How often the model was asked."""
        self._cookies: dict[str, str] = {}

    def open(
        self,
        label: str,
        operation: str,
        params: dict[str, Any] | None = None,
        *,
        refused: tuple[int, str] | None = None,
        user: str | None = None,
        raw: bytes | None = None,
        headers: dict[str, str | None] | None = None,
    ) -> Live:
        """Sends a request and gives its stream, not read yet. `raw` is sent instead of the operation."""
        body = json.dumps({"type": operation, "params": params or {}}).encode() if raw is None else raw
        sent = {"Content-Type": "application/json", "X-User-ID": user or self.name} | (headers or {})
        # The reference closes connections after an error, in the middle of the next request.
        sent["Connection"] = "close"
        response = requests.post(
            self.url, data=body, headers=sent, cookies=self._cookies, stream=True, timeout=PATIENCE_SECONDS
        )
        # Who is anonymous is known by a cookie.
        self._cookies |= response.cookies.get_dict()
        exchange = Exchange(label, operation, refused, response.status_code)
        exchange.headers = {name.lower(): value for name, value in response.headers.items()}
        self.exchanges.append(exchange)
        return Live(exchange, response)

    def send(self, label: str, operation: str, params: dict[str, Any] | None = None, **more: Any) -> Exchange:
        """Sends a request and reads the whole answer."""
        live = self.open(label, operation, params, **more)
        if live.exchange.is_stream:
            return live.finish()
        try:
            live.exchange.text = live._response.content.decode("utf-8")
        except requests.exceptions.RequestException:
            live.exchange.broken = True
        return live.exchange

    def upload(self, descriptor: dict[str, Any], data: bytes) -> None:
        """Sends a file's bytes where and how the server has said."""
        headers = descriptor["headers"] | {"X-User-ID": self.name, "Connection": "close"}
        answer = requests.request(
            descriptor["method"], descriptor["url"], data=data, headers=headers, timeout=PATIENCE_SECONDS
        )
        if answer.status_code != 200:
            self.exchanges[-1].problems.append(f"the upload was answered {answer.status_code}: {answer.text[:200]}")

    def script(self, *behaviours: dict[str, Any]) -> None:
        """Tells the fake model what to do with the next requests."""
        self._control("script", list(behaviours))

    def release(self, hold: str) -> None:
        self._control("release", {"name": hold})

    def _control(self, name: str, body: Any) -> None:
        requests.post(f"{self.model.url}/control/{name}", json=body, timeout=PATIENCE_SECONDS).raise_for_status()


def run_case(case: Callable[[Session], None], url: str, model: Process | None) -> Session:
    """Runs a case. What keeps it from going on is kept as a problem of its last exchange."""
    if model:
        requests.post(f"{model.url}/control/reset", timeout=PATIENCE_SECONDS).raise_for_status()
    session = Session(case.__name__, url, model)
    try:
        case(session)
    except (AssertionError, StopIteration, LookupError, ValueError, requests.exceptions.RequestException) as error:
        broken = Exchange("the rest of the case", "none", None, broken=True)
        broken.problems.append(f"the case could not go on: {type(error).__name__}: {error}")
        session.exchanges.append(broken)
    if model:
        session.model_requests = requests.get(f"{model.url}/control/state", timeout=PATIENCE_SECONDS).json()["requests"]
    return session
