"""A PostgreSQL server of a part's own, and a way to it that can be slow or stand still."""

import contextlib
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

from harness import _program

TEST_POSTGRES = _program("TEST_POSTGRES_BIN", "parlor-test-postgres")


class Postgres:
    """Started and stopped by `crates/test-postgres`; gone when this process is."""

    def __enter__(self) -> "Postgres":
        if not Path(TEST_POSTGRES).exists():
            raise SystemExit(f"{TEST_POSTGRES} is missing; build it: cargo build -p parlor-test-postgres")
        self._process = subprocess.Popen(
            [TEST_POSTGRES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise SystemExit("PostgreSQL did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def do(self, command: str) -> str:
        """`stop`, `crash`, `start` or `sql STATEMENTS`; see `crates/test-postgres`."""
        self._process.stdin.write(" ".join(command.split()) + "\n")
        self._process.stdin.flush()
        word, _, text = self._process.stdout.readline().strip().partition(" ")
        assert word == "ok", f"{command}: {text}"
        return text

    @property
    def port(self) -> int:
        return int(re.search(r":(\d+)/", self.url)[1])


class Proxy:
    """Passes everything on to a port of this machine: at once, late, or not now."""

    def __init__(self, port: int):
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.delay = 0.0
        """Seconds, in each direction."""
        self.flows = threading.Event()
        self.flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self._to))
        except OSError:
            near.close()
            return
        for ends in ((near, far), (far, near)):
            threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flows.wait()
                time.sleep(self.delay)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
