"""A PostgreSQL server of a part's own."""

import re
import subprocess
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
