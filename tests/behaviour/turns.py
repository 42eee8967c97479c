"""Turns of the real server that are cut off and resumed, stopped, raced, and asked for twice."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from corpus import add, create, look, message
from differences import Names
from harness import PATIENCE_SECONDS, Exchange, Process, Processes, Session, run_case

Result = tuple[str, list[str]]

RACERS = 50

# Within it the model's connection is closed when a turn is stopped. A busy machine may take longer, but not each time.
STOPPED_WITHIN_SECONDS = 1
STOPPED_TRIES = 5

HOLD = {"step": "hold", "name": "here"}


def script(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"steps": list(steps), **more}


def asked(s: Session) -> list[dict[str, Any]]:
    """What the model was asked."""
    return requests.get(f"{s.model.url}/control/requests", timeout=PATIENCE_SECONDS).json()


def state(s: Session) -> dict[str, Any]:
    """How the model is doing."""
    return requests.get(f"{s.model.url}/control/state", timeout=PATIENCE_SECONDS).json()


def until(what: str, condition: Callable[[], Any], patience: float = PATIENCE_SECONDS) -> Any:
    """Waits for a condition, and gives what it gave."""
    deadline = time.monotonic() + patience
    while not (reached := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {patience} s: {what}")
        time.sleep(0.005)
    return reached


def items(s: Session, thread_id: str) -> list[dict[str, Any]]:
    """All items, oldest first."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        params = {"thread_id": thread_id, "order": "asc", "limit": 100, "after": after}
        page = s.send("items", "items.list", params).body
        found += page["data"]
        if not page["has_more"]:
            return found
        after = page["after"]


def text_of(item: dict[str, Any]) -> str:
    return "".join(part["text"] for part in item["content"])


def problems_of(session: Session) -> list[str]:
    """What was wrong with the bytes, and what kept a case from going on."""
    return [f"{exchange.label}: {problem}" for exchange in session.exchanges for problem in exchange.problems]


def normalised(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events with ids and times that differ from run to run named alike."""
    names = Names()
    return [names.normalised(event) for event in events]


# A search, and an answer in many deltas.
QUESTION = "How long is the kettle covered by the warranty?"
ANSWER = [
    script({"step": "tool_call", "name": "search_documents", "arguments": {"query": "warranty"}}),
    script({"step": "text", "text": "It is covered for two years [1], as the documents say.", "delay_ms": 4}),
]


def cut_after_every_event(s: Session) -> None:
    s.script(*ANSWER)
    whole = create(s, QUESTION)
    expected = normalised(whole.events)
    assert whole.comments[-1:] == ["end done"], whole.comments
    assert len(expected) > 15, f"too short a stream to be cut: {len(expected)} events"
    calls = len(asked(s))
    for cut in range(len(expected) + 1):
        s.script(*ANSWER)
        key = {"Idempotency-Key": f"{s.url} cut {cut}"}
        params = {"input": message(QUESTION)}
        live = s.open(f"cut after {cut}", "threads.create", params, headers=key)
        before = live.exchange
        live.until(lambda exchange, cut=cut: len(exchange.events) >= cut)
        live.drop()
        # More may have come than was waited for: it counts as received.
        got = len(before.events)
        if got == 0:
            # The thread has no name yet: the same request is the same turn.
            again = s.open("again", "threads.create", params, headers=key).finish()
        else:
            resume = {"thread_id": before.thread_id, "turn_id": before.headers["parlor-turn"], "after": got}
            again = s.open("resume", "threads.resume", resume).finish()
        joined = normalised(before.events + again.events)
        assert joined == expected, f"cut after {cut} (received {got}): other events than uncut"
        numbers = [int(id) for id in before.ids + again.ids]
        assert numbers == list(range(1, len(expected) + 1)), f"cut after {cut}: event numbers {numbers}"
        assert again.comments[-1:] == ["end done"], again.comments
        assert len(asked(s)) == calls * (cut + 2), f"cut after {cut}: the model was asked again"


def stopped_at_any_point(s: Session) -> None:
    # What the model has done when it is stopped, and what is kept of it.
    points = {
        "before a word": ([HOLD], ""),
        "in reasoning": ([{"step": "reasoning", "text": "Hm"}, HOLD], ""),
        "after words": ([{"step": "text", "text": "Some words "}, HOLD], "Some words"),
        "between words": ([{"step": "text", "text": "word " * 20_000, "delay_ms": 2}], None),
    }
    for label, (steps, kept) in points.items():
        took: list[float] = []
        while not took or (min(took) >= STOPPED_WITHIN_SECONDS and len(took) < STOPPED_TRIES):
            took.append(_stopped(s, label, steps, kept))
        assert min(took) < STOPPED_WITHIN_SECONDS, f"{label}: the model's connection was closed after {took} s"


def _stopped(s: Session, label: str, steps: list[dict[str, Any]], kept: str | None) -> float:
    """Stops a turn at one point; gives how long it took until the model's connection was closed."""
    s.script(script(*steps, {"step": "text", "text": "never said"}))
    live = s.open(label, "threads.create", {"input": message("Tell me")})
    if steps[-1] == HOLD:
        until(f"{label}: the model waits", lambda: state(s)["holding"].get("here"))
    spoken = "word" if kept is None else kept.rpartition(" ")[2]
    live.until(lambda exchange, spoken=spoken: exchange.events and spoken in str(exchange.events))
    thread_id = live.exchange.thread_id
    started = time.monotonic()
    stop = s.send("stop", "threads.stop", {"thread_id": thread_id}).body
    assert stop == {"stopped": True}, f"{label}: {stop}"
    until(f"{label}: the model's connection is closed", lambda: asked(s)[-1]["aborted_after_events"] is not None)
    took = time.monotonic() - started
    live.finish()
    ends = [comment for comment in live.exchange.comments if comment.startswith("end ")]
    assert ends == ["end stopped"], f"{label}: {ends}"
    assert not [event for event in live.exchange.events if event["type"] == "error"], label
    said = [text_of(item).strip() for item in items(s, thread_id) if item["type"] == "assistant_message"]
    done = [text_of(item).strip() for item in live.exchange.items("assistant_message")]
    assert said == done, f"{label}: what is stored is not what was said at the end: {said}, {done}"
    if kept is None:
        deltas = (event.get("update", {}).get("delta", "") for event in live.exchange.events)
        streamed = "".join(deltas).strip()
        assert said == [streamed], f"{label}: {len(said[0])} characters are stored, {len(streamed)} were streamed"
    else:
        assert said == ([kept] if kept else []), f"{label}: {said}"
    again = s.send("stop again", "threads.stop", {"thread_id": thread_id}).body
    assert again == {"stopped": False}, again
    assert add(s, thread_id, "And now?").comments[-1:] == ["end done"], f"{label}: the next message"
    # Holds stay open until then.
    requests.post(f"{s.model.url}/control/reset", timeout=PATIENCE_SECONDS).raise_for_status()
    return took


def stopped_by_many_at_once(s: Session) -> None:
    s.script(script({"step": "text", "text": "Half "}, {"step": "hold", "name": "never"}))
    live = s.open("create", "threads.create", {"input": message("Tell me")})
    live.until(lambda exchange: "Half" in str(exchange.events))
    thread_id = live.exchange.thread_id
    with ThreadPoolExecutor(8) as pool:
        stop = lambda _: Session(s.name, s.url, s.model).send("stop", "threads.stop", {"thread_id": thread_id}).body
        answers = list(pool.map(stop, range(8)))
    assert {"stopped": True} in answers, answers
    live.finish()
    ends = [comment for comment in live.exchange.comments if comment.startswith("end ")]
    assert ends == ["end stopped"], ends
    assert [item["type"] for item in items(s, thread_id)] == ["user_message", "assistant_message"]


def racing_messages(s: Session) -> None:
    thread_id = create(s, "message 0").thread_id

    def race(number: int) -> Exchange:
        params = {"thread_id": thread_id, "input": message(f"message {number}")}
        return Session(s.name, s.url, s.model).send(f"message {number}", "threads.add_user_message", params)

    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(race, range(1, RACERS + 1)))
    accepted = {"message 0"}
    for answer in answers:
        if answer.status == 200:
            assert answer.comments[-1:] == ["end done"], f"{answer.label}: {answer.comments}"
            accepted.add(answer.label)
        else:
            code = answer.body["error"]["code"]
            assert (answer.status, code) == (409, "thread_busy"), f"{answer.label}: {answer.status} {code}"
    assert len(accepted) > 1, "none was accepted"
    kept = items(s, thread_id)
    assert len({item["id"] for item in kept}) == len(kept), "an id is there twice"
    types = [item["type"] for item in kept]
    assert types == ["user_message", "assistant_message"] * len(accepted), types
    questions = [text_of(item) for item in kept[::2]]
    assert sorted(questions) == sorted(accepted), "what was accepted is not what is stored"
    for question, answer in zip(questions, kept[1::2], strict=True):
        named = set(re.findall(r"message \d+", text_of(answer)))
        assert named == {question}, f"{question!r} was answered {text_of(answer)!r}"


def racing_new_threads_with_one_key(s: Session) -> None:
    key = {"Idempotency-Key": f"{s.url} {s.name}"}

    def race(_: int) -> Exchange:
        one = Session(s.name, s.url, s.model)
        return one.send("create", "threads.create", {"input": message("Only once")}, headers=key)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(race, range(16)))
    assert {answer.status for answer in answers} == {200}, [answer.status for answer in answers]
    assert len({answer.thread_id for answer in answers}) == 1, "one message made several threads"
    assert len(s.send("the list", "threads.list", {}).body["data"]) == 1
    assert len(items(s, answers[0].thread_id)) == 2


def a_model_with_one_message_id(s: Session) -> None:
    for text in ("The first.", "The second."):
        s.script(script({"step": "text", "text": text}, ids="constant"))
    thread_id = create(s, "One").thread_id
    add(s, thread_id, "Two")
    answers = [item for item in items(s, thread_id) if item["type"] == "assistant_message"]
    assert [text_of(answer) for answer in answers] == ["The first.", "The second."], answers
    assert answers[0]["id"] != answers[1]["id"]


def a_retry_that_fails_and_one_that_does_not(s: Session) -> None:
    s.script(script({"step": "text", "text": "The first try."}))
    first = create(s, "Try it")
    thread_id, question = first.thread_id, first.items("user_message")[0]["id"]
    before = items(s, thread_id)
    retry = {"thread_id": thread_id, "item_id": question}
    # A model that refuses is asked once; one that breaks off before its first word is asked twice more.
    for step, tries in (({"step": "status", "status": 400}, 1), ({"step": "end"}, 3), ({"step": "cut"}, 3)):
        calls = len(asked(s))
        s.script(*[script(step)] * tries)
        failed = s.send(f"retry with {step['step']}", "threads.retry_after_item", retry)
        assert failed.comments[-1:] == ["end failed"], failed.comments
        assert len(asked(s)) == calls + tries, f"{failed.label}: asked {len(asked(s)) - calls} times"
        assert items(s, thread_id) == before, f"{failed.label}: the earlier answer is not as it was"
    s.script(script({"step": "text", "text": "The second try."}))
    s.send("retry", "threads.retry_after_item", retry)
    after = items(s, thread_id)
    assert [text_of(item) for item in after] == ["Try it", "The second try."], after
    assert after[0] == before[0], "the question is another one"
    look(s, thread_id)


CASES = [
    cut_after_every_event,
    stopped_at_any_point,
    stopped_by_many_at_once,
    racing_messages,
    racing_new_threads_with_one_key,
    a_model_with_one_message_id,
    a_retry_that_fails_and_one_that_does_not,
]


def results(processes: Processes, model: Process) -> Iterator[Result]:
    address = {"OPENAI_BASE_URL": f"{model.url}/v1"}
    ways = {"responses": address, "chat_completions": address | {"PARLOR_MODEL_API": "chat_completions"}}
    for name in ways:
        processes.ingest(name)
    servers = {name: processes.parlor(name, **environment) for name, environment in ways.items()}
    for name, server in servers.items():
        server.ready()
        for case in CASES:
            session = run_case(case, f"{server.url}/chatkit", model)
            yield f"turns: {name}: {case.__name__}", problems_of(session)
