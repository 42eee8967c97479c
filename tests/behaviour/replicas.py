"""Two real servers on one PostgreSQL, behind a proxy that takes turns: no request knows where it goes.

Conversations go on while requests alternate, and while one of the servers is killed and replaced.
"""

import contextlib
import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import requests
from corpus import add, message
from harness import PARLOR, PATIENCE_SECONDS, Process, Processes, Session, run_case
from postgres import Postgres
from relay import Relay
from turns import asked, items, problems_of, script, text_of, until

Result = tuple[str, list[str]]

HALF = {"step": "text", "text": "The first half, "}
REST = {"step": "text", "text": "and the second."}
WHOLE = "The first half, and the second."
NOT_SAID = "That is not said here."
GUARDRAIL = f"""
[[guardrails]]
name = "birds"
kind = "rules"
on = ["output"]
patterns = ["heron"]
message = "{NOT_SAID}"
"""


def takes_turns(servers: list[Process]) -> Relay:
    """Gives each connection to the next server. Clients here send one request over each."""
    turns = itertools.count()

    def far() -> socket.socket:
        # One that is not there is passed over, as by any proxy.
        for _ in servers:
            host, port = servers[next(turns) % len(servers)].url.removeprefix("http://").split(":")
            with contextlib.suppress(OSError):
                return socket.create_connection((host, int(port)))
        raise ConnectionRefusedError("no server is there")

    return Relay(far)


def begin(s: Session, url: str, *steps: dict) -> tuple:
    """An answer whose first half has come, at this server."""
    s.script(script(HALF, *steps))
    live = Session(s.name, url, s.model).open("create", "threads.create", {"input": message("Tell me")})
    live.until(lambda exchange: "half" in str(exchange.events))
    named = {"thread_id": live.exchange.thread_id, "turn_id": live.exchange.headers["parlor-turn"]}
    return live, named


def resumed_everywhere(s: Session, urls: list[str]) -> None:
    live, named = begin(s, urls[0], {"step": "hold", "name": "here"}, REST)
    # Through the proxy, so often that each server has been asked.
    followers = [s.open(f"resume {n}", "threads.resume", named | {"after": n % 4}) for n in range(8)]
    for follower in followers:
        follower.until(lambda exchange: "half" in str(exchange.events))
    for n in range(2):
        found = s.send(f"look {n}", "threads.get_by_id", {"thread_id": named["thread_id"]})
        assert found.headers.get("parlor-turn") == named["turn_id"], found.headers
    s.release("here")
    whole = live.finish()
    assert whole.comments[-1:] == ["end done"], whole.comments
    for n, follower in enumerate(followers):
        came = follower.finish()
        after = n % 4
        assert came.events == whole.events[after:], f"resumed after {after}: other events"
        assert came.ids == whole.ids[after:], came.ids
        assert came.comments[-1:] == ["end done"], came.comments
    assert [text_of(item) for item in items(s, named["thread_id"])] == ["Tell me", WHOLE]


def stopped_elsewhere(s: Session, urls: list[str]) -> None:
    for began, stops in (urls, reversed(urls)):
        live, named = begin(s, began, {"step": "hold", "name": "here"}, REST)
        elsewhere = Session(s.name, stops, s.model)
        stopped = elsewhere.send("stop", "threads.stop", {"thread_id": named["thread_id"]})
        assert stopped.status == 200 and stopped.body == {"stopped": True}, stopped.text
        ended = live.finish()
        assert ended.comments[-1:] == ["end stopped"], ended.comments
        requests.post(f"{s.model.url}/control/reset", timeout=PATIENCE_SECONDS).raise_for_status()
        assert add(s, named["thread_id"], "And now?").comments[-1:] == ["end done"]


def nobody_elses(s: Session, urls: list[str]) -> None:
    live, named = begin(s, urls[0], {"step": "hold", "name": "here"}, REST)
    for url in urls:
        mallory = Session("mallory", url, s.model)
        for operation in ("threads.stop", "threads.resume", "threads.get_by_id", "threads.delete"):
            refused = mallory.send(operation, operation, named)
            assert refused.status == 404 and refused.body["error"]["code"] == "not_found", refused.text
    s.release("here")
    assert live.finish().comments[-1:] == ["end done"]


def many_requests(s: Session, urls: list[str]) -> None:
    """One server has given a user all they may ask for: soon the other gives them nothing, either."""
    asked = [0, 0]
    here, there = (Session("hasty", url, s.model) for url in urls)

    def refused(n: int, session: Session) -> bool:
        asked[n] += 1
        answer = session.send(f"request {asked[n]}", "threads.list", {})
        assert answer.status in (200, 429), answer.text
        return answer.status == 429

    while not refused(0, here):
        assert asked[0] <= REQUESTS, "this server refuses nothing"
    assert asked[0] == REQUESTS + 1
    # What makes the other one tell the database, and hear of the rest.
    while asked[1] < REQUESTS // 8:
        refused(1, there)

    def refused_at_last() -> bool:
        # So slowly that it does not come to this limit by itself.
        time.sleep(0.1)
        return refused(1, there)

    until("a refusal by the other server", refused_at_last)
    assert asked[1] < REQUESTS, "it has only counted its own"
    assert s.send("another user", "threads.list", {}).status == 200


def many_followers(s: Session, urls: list[str]) -> None:
    """Who follows an answer through another server takes up a place as well, but for the first."""
    live, named = begin(s, urls[0], {"step": "hold", "name": "here"}, REST)
    there = Session(s.name, urls[1], s.model)
    followers = []
    for n in range(STREAMS):
        follower = there.open(f"follow {n}", "threads.resume", named)
        follower.until(lambda exchange: "half" in str(exchange.events))
        followers.append(follower)
    refused = there.send("one more", "threads.resume", named)
    assert refused.status == 429 and refused.body["error"]["limit"] == "open_streams", refused.text
    s.release("here")
    for follower in [live, *followers]:
        assert follower.finish().comments[-1:] == ["end done"]


def taken_back(s: Session, urls: list[str]) -> None:
    """What a guardrail of one server ends is gone for those who followed through the other, or come later."""
    live, named = begin(s, urls[0], {"step": "hold", "name": "here"}, {"step": "text", "text": "of the heron. "}, REST)
    follower = Session(s.name, urls[1], s.model).open("follow", "threads.resume", named)
    follower.until(lambda exchange: "half" in str(exchange.events))
    s.release("here")
    late = [s.open(f"late {n}", "threads.resume", named) for n in range(2)]
    for reader in (live, follower, *late):
        came = reader.finish()
        assert came.comments[-1:] == ["end done"], f"{came.label}: {came.comments}"
        shown: dict[str, str] = {}
        for event in came.events:
            if event["type"] in ("thread.item.added", "thread.item.done") and event["item"]["type"] == "assistant_message":
                shown[event["item"]["id"]] = text_of(event["item"])
            elif event["type"] == "thread.item.removed":
                shown.pop(event["item_id"], None)
        assert list(shown.values()) == [NOT_SAID], f"{came.label}: {came.events}"
        assert "heron" not in str(came.events), came.events
    for url in urls:
        said = [text_of(item) for item in items(Session(s.name, url, s.model), named["thread_id"])]
        assert said == ["Tell me", NOT_SAID], said
    assert add(s, named["thread_id"], "And now?").comments[-1:] == ["end done"]
    told = str(asked(s)[-1]["body"])
    assert "And now?" in told and "The first half" not in told, told


# In a minute, and at the same time, by a user.
REQUESTS, STREAMS = 400, 12

CASES = [resumed_everywhere, stopped_elsewhere, nobody_elses, taken_back, many_requests, many_followers]


def killed(s: Session, servers: list[Process], database: Postgres) -> None:
    urls = [f"{server.url}/chatkit" for server in servers]
    followed, first = begin(s, urls[0], {"step": "hold", "name": "one"}, REST)
    elsewhere = Session(s.name, urls[1], s.model).open("follow", "threads.resume", first)
    elsewhere.until(lambda exchange: "half" in str(exchange.events))
    spoken_to, second = begin(s, urls[0], {"step": "hold", "name": "two"}, REST)
    # Kept for good about a second after it was said.
    look = "SELECT count(*) FROM parlor.items WHERE pending"
    until("checkpoints", lambda: database.do(f"sql {look}") == "2")
    servers[0].kill()
    for live in (followed, spoken_to):
        live.finish()
    # The client's own way back, through the proxy.
    resumed = s.open("resume", "threads.resume", first | {"after": len(followed.exchange.events)})
    for live in (elsewhere, resumed):
        told = live.finish()
        errors = [event for event in told.events if event["type"] == "error"]
        assert [error["reason"] for error in errors] == ["turn.interrupted"], f"{told.label}: {told.events}"
        assert told.comments[-1:] == ["end interrupted"], f"{told.label}: {told.comments}"
        assert "The first half," in str(told.items("assistant_message")), f"{told.label}: {told.events}"
    requests.post(f"{s.model.url}/control/reset", timeout=PATIENCE_SECONDS).raise_for_status()
    for named in (second, first):
        assert add(s, named["thread_id"], "And now?").comments[-1:] == ["end done"]
        said = [text_of(item).strip() for item in items(s, named["thread_id"])]
        assert said[:3] == ["Tell me", "The first half,", "And now?"], said


def results(processes: Processes, model: Process) -> Iterator[Result]:
    config = Path(processes.folder) / "replicas.toml"
    config.write_text(GUARDRAIL)
    with Postgres() as database:
        environment = {
            "PARLOR_CONFIG": str(config),
            "OPENAI_BASE_URL": f"{model.url}/v1",
            "PARLOR_SEARCH__ENABLED": "false",
            "PARLOR_FILES__ENABLED": "false",
            "PARLOR_AUTH": "trusted-header",
            "PARLOR_SITE__DEMO": "false",
            "PARLOR_TITLES__ENABLED": "false",
            "PARLOR_LIMITS__USER__REQUESTS_PER_MINUTE": str(REQUESTS),
            "PARLOR_LIMITS__USER__OPEN_STREAMS": str(STREAMS),
        }
        command = [PARLOR, "serve", "--listen", "127.0.0.1:0", "--database-url", database.url]
        servers = [processes.start(f"replica-{n}", command, **environment).ready() for n in range(2)]
        proxy = f"http://127.0.0.1:{takes_turns(servers).port}/chatkit"
        urls = [f"{server.url}/chatkit" for server in servers]
        for case in CASES:

            def both(s: Session, case=case) -> None:
                case(s, urls)

            both.__name__ = case.__name__
            yield f"replicas: {case.__name__}", problems_of(run_case(both, proxy, model))

        def dying(s: Session) -> None:
            killed(s, servers, database)

        yield "replicas: killed in mid-turn", problems_of(run_case(dying, proxy, model))
