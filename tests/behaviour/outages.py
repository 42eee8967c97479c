"""The database goes away in every way that it can: what works meanwhile, what is kept, how soon all is well again.

Clients talk all the time. In each outage a turn is under way: it goes on streaming, and it is stored when the database
is back or ends in a clear error. In the end every message that was acknowledged is there, once and in order.
"""

import contextlib
import json
import re
import resource
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from corpus import message
from harness import PARLOR, PATIENCE_SECONDS, Live, Process, Processes, Session
from postgres import Postgres
from relay import Relay
from turns import items, script, text_of, until

Result = tuple[str, list[str]]

TALKERS = 3
# The promise is two seconds. A machine that is busy with other tests has more time; the figure is printed.
BACK_WITHIN_SECONDS = 30
HALVES = ("The first half, ", "and the second half.")
# What would tell a client more than it should know.
INTERNAL = re.compile(r"postgres|sqlite|sqlx|127\.0\.0\.1|parlor\.|/tmp|disk|SELECT", re.IGNORECASE)


def call(url: str, operation: str, params: dict[str, Any], user: str = "outage") -> requests.Response:
    body = json.dumps({"type": operation, "params": params})
    headers = {"Content-Type": "application/json", "X-User-ID": user, "Connection": "close"}
    return requests.post(f"{url}/chatkit", data=body, headers=headers, timeout=PATIENCE_SECONDS)


@dataclass
class Talker:
    """A client that asks one question after the other, and each until it is answered, as the element does."""

    url: str
    user: str
    over: threading.Event
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Questions that were acknowledged, and how their turns ended."""
    thread_id: str = ""
    problems: list[str] = field(default_factory=list)

    def run(self) -> None:
        try:
            number = 0
            while not self.over.is_set():
                number += 1
                self._ask(f"question {number}")
                self.over.wait(0.05)
        except Exception as error:  # noqa: BLE001: whatever it is, it is what went wrong
            self.problems.append(f"{self.user}: {type(error).__name__}: {error}")

    def _ask(self, question: str) -> None:
        session = Session(self.user, f"{self.url}/chatkit", None)
        key = {"Idempotency-Key": f"{self.user}: {question}"}
        while True:
            params: dict[str, Any] = {"input": message(question)}
            operation = "threads.create"
            if self.thread_id:
                operation, params = "threads.add_user_message", params | {"thread_id": self.thread_id}
            live = session.open("ask", operation, params, headers=key)
            exchange = live.exchange
            # Not now; or its turn is about to end.
            if exchange.status in (503, 409):
                time.sleep(0.05)
                if self.over.is_set():
                    return
                continue
            live.finish()
            assert exchange.status == 200, f"{exchange.status} {live._response.text[:300]}"
            assert exchange.events, f"a stream without events for {question!r}"
            for event in exchange.events:
                if event["type"] == "thread.created":
                    self.thread_id = event["thread"]["id"]
            ends = [comment.removeprefix("end ") for comment in exchange.comments if comment.startswith("end ")]
            self.asked.append((question, ends[-1] if ends else "none"))
            if ends[-1:] == ["failed"]:
                errors = [event for event in exchange.events if event["type"] == "error"]
                assert len(errors) == 1 and errors[0]["message"], f"{question!r} failed without a clear error"
                assert not INTERNAL.search(json.dumps(errors[0])), errors[0]
            return

    def check(self) -> list[str]:
        """How what is stored differs from what was acknowledged."""
        if not self.thread_id:
            return [*self.problems, f"{self.user} was never heard"]
        stored = items(Session(self.user, f"{self.url}/chatkit", None), self.thread_id)
        questions = [text_of(item) for item in stored if item["type"] == "user_message"]
        acknowledged = [question for question, _ in self.asked]
        problems = list(self.problems)
        # The last one may be stored although its client heard nothing of it.
        if questions[: len(acknowledged)] != acknowledged or len(questions) > len(acknowledged) + 1:
            problems.append(f"{self.user}: acknowledged {len(acknowledged)}, stored {len(questions)}: {questions[-5:]}")
        outcomes = dict(self.asked)
        question = ""
        answers: dict[str, list[str]] = {}
        for item in stored:
            if item["type"] == "user_message":
                question = text_of(item)
            elif item["type"] == "assistant_message":
                answers.setdefault(question, []).append(text_of(item))
        for question, outcome in outcomes.items():
            given = answers.get(question, [])
            whole = f"You said: {question}"
            if len(given) > 1 or (outcome == "done" and given != [whole]):
                problems.append(f"{self.user}: {question} ended {outcome}, its answer is {given}")
        return problems


@contextlib.contextmanager
def talk(url: str, names: str, problems: list[str]) -> Iterator[None]:
    """Clients that talk meanwhile; what is wrong in the end is added to the problems."""
    over = threading.Event()
    talkers = [Talker(url, f"{names}{number}", over) for number in range(TALKERS)]
    threads = [threading.Thread(target=talker.run, daemon=True) for talker in talkers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
    problems += [problem for talker in talkers for problem in talker.check()]
    if not any(len(talker.asked) > 1 for talker in talkers):
        problems.append("nobody was heard: this proves nothing")


def half_said(url: str, model: Process, name: str) -> Live:
    """A turn that has said the first half of its answer and waits to go on."""
    steps = [{"step": "text", "text": HALVES[0]}, {"step": "hold", "name": name}, {"step": "text", "text": HALVES[1]}]
    behaviour = script(*steps, when=f"Tell me: {name}")
    requests.post(f"{model.url}/control/script", json=[behaviour], timeout=PATIENCE_SECONDS).raise_for_status()
    session = Session("outage", f"{url}/chatkit", None)

    def begun() -> Live | None:
        live = session.open(name, "threads.create", {"input": message(f"Tell me: {name}")})
        return live if live.exchange.status == 200 else None

    live = until(f"{name}: a turn begins", begun)
    live.until(lambda exchange: "half" in exchange.text)
    return live


def refuses(url: str, what: str, operation: str = "threads.create") -> None:
    """Chat is refused, typed, with when to come again, and without telling why."""
    params = {"input": message("Hello?")} if operation == "threads.create" else {}

    def refusal() -> list[requests.Response]:
        # In a list: a response that is a refusal counts as false.
        response = call(url, operation, params)
        return [] if response.status_code == 200 else [response]

    [response] = until(f"{what}: chat is refused", refusal, BACK_WITHIN_SECONDS)
    assert response.status_code == 503, f"{what}: {response.status_code} {response.text}"
    assert int(response.headers["retry-after"]) >= 1, f"{what}: {response.headers}"
    error = response.json()["error"]
    assert error["code"] and error["message"] and error["request_id"], f"{what}: {error}"
    assert not INTERNAL.search(response.text), f"{what}: {response.text}"


def serves(server: Process, what: str, ready: int | None) -> None:
    """The process is there, says how it is, and serves what needs no database."""
    assert server.process.poll() is None, f"{what}: the process has ended"
    for path, status in {"/healthz": 200, "/chatkit.js": 200, "/readyz": ready}.items():
        got = requests.get(f"{server.url}{path}", timeout=PATIENCE_SECONDS).status_code
        assert status in (None, got), f"{what}: {path} is answered {got} and not {status}"


def back(server: Process, what: str, since: float) -> float:
    """Seconds until chat is answered again."""

    def answered() -> bool:
        response = call(server.url, "threads.create", {"input": message("Are you back?")}, "impatient")
        return response.status_code == 200 and ": end done" in response.text

    until(f"{what}: chat is answered", answered, BACK_WITHIN_SECONDS)
    took = time.monotonic() - since
    assert requests.get(f"{server.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200, f"{what}: not ready"
    return took


@dataclass
class Outage:
    """A way to be away."""

    what: str
    begin: Callable[[], Any]
    end: Callable[[], Any]
    ready: int | None = 503
    """What `/readyz` says meanwhile."""
    reads: bool = False
    """Whether what is stored can still be read."""
    lasts: float = 0
    """Seconds, at least."""

    def strike(self, server: Process, model: Process) -> float:
        """Takes the database away in the middle of a turn and gives it back; gives how long recovery took."""
        what, url = self.what, server.url
        live = half_said(url, model, what)
        thread_id = live.exchange.thread_id
        began = time.monotonic()
        self.begin()
        try:
            refuses(url, what)
            serves(server, what, self.ready)
            if self.reads:
                status = call(url, "threads.list", {}).status_code
                assert status == 200, f"{what}: reading is answered {status}"
            else:
                refuses(url, what, "threads.list")
            requests.post(f"{model.url}/control/release", json={"name": what}, timeout=PATIENCE_SECONDS)
            live.until(lambda exchange: "second" in exchange.text and "half." in exchange.text)
            time.sleep(max(0.0, self.lasts - (time.monotonic() - began)))
        finally:
            self.end()
        took = back(server, what, time.monotonic())
        exchange = live.finish()
        ends = [comment.removeprefix("end ") for comment in exchange.comments if comment.startswith("end ")]
        errors = [event for event in exchange.events if event["type"] == "error"]
        assert ends in (["done"], ["failed"]), f"{what}: {ends}"
        assert len(errors) == (ends == ["failed"]), f"{what}: {ends} {errors}"
        for error in errors:
            assert error["message"] and error["allow_retry"], f"{what}: {error}"
            assert not INTERNAL.search(json.dumps(error)), f"{what}: {error}"

        # What was streamed is stored, whichever way the turn has ended.
        def stored() -> bool:
            found = items(Session("outage", f"{url}/chatkit", None), thread_id)
            said = [text_of(item) for item in found if item["type"] == "assistant_message"]
            assert [text_of(item) for item in found if item["type"] == "user_message"] == [f"Tell me: {what}"]
            return said == ["".join(HALVES)]

        until(f"{what}: the answer is stored", stored, BACK_WITHIN_SECONDS)
        return took


def struck(outages: list[Outage], server: Process, model: Process, measured: dict[str, float]) -> Iterator[Result]:
    """Each outage on its own, while clients talk."""
    lost: list[str] = []
    with talk(server.url, "talker", lost):
        for outage in outages:
            problems = []
            try:
                measured[outage.what] = outage.strike(server, model)
            except (AssertionError, requests.exceptions.RequestException) as error:
                problems.append(str(error))
            yield f"outages: {outage.what}", problems
    yield "outages: nothing acknowledged is lost", lost


def serve(
    processes: Processes, model: Process, database: str, *, full: bool = False, **environment: str
) -> Process:
    """`parlor serve`, on a disk that is full if so wished: no file can be written."""
    # A write beyond the limit of a file's size is then an error, and not the end of the process.
    prepare = "trap '' XFSZ; ulimit -S -f 0;" if full else "trap '' XFSZ;"
    command = ["/bin/sh", "-c", f'{prepare} exec "$@"', "sh", PARLOR, "serve", "--listen", "127.0.0.1:0"]
    return processes.start(
        "parlor-on-" + re.sub(r"\W.*/|\W", "-", database),
        [*command, "--database-url", database],
        OPENAI_BASE_URL=f"{model.url}/v1",
        PARLOR_AUTH="trusted-header",
        PARLOR_SITE__DEMO="false",
        PARLOR_TITLES__ENABLED="false",
        **environment,
    )


def room(server: Process, size: int) -> None:
    """Lets files grow to so many bytes, as if the disk had no room for more."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


FULL = """
    CREATE FUNCTION public.disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file: No space left on device';
    END $$;
"""
TABLES = ("threads", "turns", "items")


def on_postgres(processes: Processes, model: Process, measured: dict[str, float]) -> Iterator[Result]:
    with Postgres() as postgres:
        proxy = Relay(lambda: socket.create_connection(("127.0.0.1", postgres.port)))
        postgres.do("stop")
        server = serve(
            processes,
            model,
            postgres.url.replace(str(postgres.port), str(proxy.port)),
            PARLOR_SEARCH__ENABLED="false",
            PARLOR_DATABASE__CONNECT_TIMEOUT_SECONDS="2",
            PARLOR_DATABASE__STATEMENT_TIMEOUT_SECONDS="2",
            PARLOR_DATABASE__LOCK_TIMEOUT_SECONDS="2",
        ).ready()
        problems = []
        try:
            serves(server, "stopped before the start", 503)
            for operation in ("threads.create", "threads.list"):
                refuses(server.url, "stopped before the start", operation)
            postgres.do("start")
            measured["PostgreSQL stopped before the start"] = back(server, "the first start", time.monotonic())
        except AssertionError as error:
            problems.append(str(error))
        yield "outages: PostgreSQL is stopped before the start", problems

        def slow() -> None:
            proxy.delay = 0.1

        def read_only(value: str) -> None:
            postgres.do(f"sql ALTER SYSTEM SET default_transaction_read_only = {value}")
            postgres.do("sql SELECT pg_reload_conf()")

        def full() -> None:
            postgres.do(f"sql {FULL}")
            for table in TABLES:
                trigger = f"CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON parlor.{table}"
                postgres.do(f"sql {trigger} FOR EACH ROW EXECUTE FUNCTION public.disk_full()")

        outages = [
            Outage("PostgreSQL stopped", lambda: postgres.do("stop"), lambda: postgres.do("start")),
            Outage("PostgreSQL crashed", lambda: postgres.do("crash"), lambda: postgres.do("start")),
            # Longer than a turn waits for it.
            Outage("PostgreSQL away for long", lambda: postgres.do("stop"), lambda: postgres.do("start"), lasts=14),
            Outage("PostgreSQL hangs", proxy.flows.clear, proxy.flows.set),
            Outage("PostgreSQL is read-only", lambda: read_only("on"), lambda: read_only("off"), reads=True),
            Outage(
                "PostgreSQL has a full disk",
                full,
                lambda: postgres.do("sql DROP FUNCTION public.disk_full() CASCADE"),
                ready=None,
                reads=True,
            ),
        ]
        yield from struck(outages, server, model, measured)

        # Not away at all: only slower.
        proxy.delay = 0.1
        problems = []
        lost: list[str] = []
        with talk(server.url, "patient", lost):
            try:
                live = half_said(server.url, model, "PostgreSQL is slow")
                serves(server, "PostgreSQL is slow", 200)
                requests.post(
                    f"{model.url}/control/release", json={"name": "PostgreSQL is slow"}, timeout=PATIENCE_SECONDS
                )
                exchange = live.finish()
                assert ": end done" in exchange.text, exchange.text
                found = items(Session("outage", f"{server.url}/chatkit", None), exchange.thread_id)
                assert text_of(found[-1]) == "".join(HALVES), found
            except AssertionError as error:
                problems.append(str(error))
        yield "outages: PostgreSQL is slow", problems + lost


def on_sqlite(processes: Processes, model: Process, measured: dict[str, float]) -> Iterator[Result]:
    what = "SQLite has a full disk at the start"
    server = serve(processes, model, "sqlite://full.db", full=True).ready()
    problems = []
    try:
        serves(server, what, 503)
        for operation in ("threads.create", "threads.list"):
            refuses(server.url, what, operation)
        room(server, resource.RLIM_INFINITY)
        measured[what] = back(server, what, time.monotonic())
    except (AssertionError, requests.exceptions.RequestException) as error:
        problems.append(str(error))
    server.stop()
    yield f"outages: {what}", problems

    # The talkers' answers are held against what they asked, without what a search has found.
    server = serve(processes, model, "sqlite://outage.db", PARLOR_SEARCH__ENABLED="false").ready()
    database = Path(processes.folder) / "outage.db"
    # Writes as a backup does that takes its time.
    other = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    outages = [
        Outage(
            "SQLite has a full disk",
            lambda: room(server, 0),
            lambda: room(server, resource.RLIM_INFINITY),
            ready=None,
            reads=True,
        ),
        Outage(
            "SQLite is locked",
            lambda: other.execute("BEGIN IMMEDIATE"),
            lambda: other.execute("ROLLBACK"),
            ready=None,
            reads=True,
        ),
    ]
    yield from struck(outages, server, model, measured)
    other.close()


def results(processes: Processes, model: Process) -> Iterator[Result]:
    measured: dict[str, float] = {}
    yield from on_sqlite(processes, model, measured)
    yield from on_postgres(processes, model, measured)
    took = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in measured.items())
    print(f"outages: answered again after: {took}")
