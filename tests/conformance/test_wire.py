"""Everything that `parlor serve` says is understood by the official models, over the whole corpus.

With documents and a model over both APIs, and without a model. Run by `run.py`, or alone.
"""

import base64
import time
from collections.abc import Callable, Iterator

import corpus
import test_checks
from checks import problems_of
from corpus import INVALID, NOT_FOUND, add, create, look, message
from harness import PATIENCE_SECONDS, Exchange, Live, Process, Processes, Session, run_case

Result = tuple[str, list[str]]


# What only Parlor has.


def cited_documents(s: Session) -> None:
    answer = create(s, "How long is the kettle covered by the warranty?")
    annotations = [
        note for item in answer.items("assistant_message") for part in item["content"] for note in part["annotations"]
    ]
    assert annotations, "the answer cites nothing"
    assert all(note["source"]["url"].startswith("/docs/") for note in annotations), annotations
    look(s, answer.thread_id)


# A turn that waits for the test in the middle of its answer.
HELD = {
    "steps": [
        {"step": "text", "text": "The first half, "},
        {"step": "hold", "name": "middle"},
        {"step": "text", "text": "and the second."},
    ]
}


def _begin(s: Session) -> Live:
    """Begins a turn and reads its stream up to the middle of the answer."""
    s.script(HELD)
    live = s.open("create", "threads.create", {"input": message("Tell me")})
    live.until(lambda exchange: any("half" in event.get("update", {}).get("delta", "") for event in exchange.events))
    return live


def a_turn_that_is_stopped(s: Session) -> None:
    if s.model is None:
        return
    live = _begin(s)
    exchange, thread_id = live.exchange, live.exchange.thread_id
    running = look(s, thread_id, "while it runs")
    assert running.headers.get("parlor-turn") == exchange.headers["parlor-turn"], "the running turn is not named"
    # It shows the thread without the answer: it is not compared with the whole stream.
    s.exchanges.remove(running)
    params = {"thread_id": thread_id, "input": message("Hurry")}
    s.send("a second message", "threads.add_user_message", params, refused=(409, "thread_busy"))
    stopped = s.send("stop", "threads.stop", {"thread_id": thread_id}).body
    assert stopped == {"stopped": True}, stopped
    live.finish()
    assert exchange.comments[-1] == "end stopped", exchange.comments
    kept = [item["content"][0]["text"].strip() for item in exchange.items("assistant_message")]
    assert kept == ["The first half,"], f"the partial answer is {kept}"
    s.send("stop again", "threads.stop", {"thread_id": thread_id})
    s.send("stop what nobody knows", "threads.stop", {"thread_id": "thr_unknown"}, refused=NOT_FOUND)
    look(s, thread_id)


def a_client_that_goes_away(s: Session) -> None:
    if s.model is None:
        return
    live = _begin(s)
    thread_id, turn_id = live.exchange.thread_id, live.exchange.headers["parlor-turn"]
    live.drop()
    again = s.open("resume", "threads.resume", {"thread_id": thread_id, "turn_id": turn_id})
    s.release("middle")
    again.finish()
    assert again.exchange.comments[-1:] == ["end done"], again.exchange.comments
    # The resumed stream has all that the dropped one had, and the rest.
    s.exchanges.remove(live.exchange)
    again.exchange.operation = "threads.create"
    look(s, thread_id)


def a_turn_that_is_resumed(s: Session) -> None:
    if s.model is None:
        return
    live = _begin(s)
    exchange = live.exchange
    thread_id, turn_id = exchange.thread_id, exchange.headers["parlor-turn"]
    again = s.open("resume", "threads.resume", {"thread_id": thread_id})
    s.release("middle")
    live.finish()
    again.finish()
    assert again.exchange.events == exchange.events, "a resumed stream has other events"
    late = s.open("resume late", "threads.resume", {"thread_id": thread_id, "turn_id": turn_id, "after": 3}).finish()
    assert late.events == exchange.events[3:], "a stream resumed in the middle has other events"
    assert late.ids == exchange.ids[3:], late.ids
    # The same items, told again: they would count as used twice.
    s.exchanges = [kept for kept in s.exchanges if not kept.operation == "threads.resume"]
    ended = {"thread_id": thread_id}
    s.send("resume what has ended", "threads.resume", ended, refused=(404, "no_running_turn"))
    s.send("resume the unknown", "threads.resume", {"thread_id": "thr_unknown"}, refused=NOT_FOUND)
    look(s, thread_id)


def a_request_that_is_repeated(s: Session) -> None:
    key = {"Idempotency-Key": f"key of {s.url}"}
    first = s.send("create", "threads.create", {"input": message("Only once")}, headers=key)
    again = s.open("repeat", "threads.create", {"input": message("Only once")}, headers=key).finish()
    assert again.thread_id == first.thread_id, "the repeated request made another thread"
    assert again.headers["parlor-turn"] == first.headers["parlor-turn"], "the repeated request is another turn"
    s.exchanges.remove(again)
    listed = s.send("the list", "threads.list", {}).body
    assert len(listed["data"]) == 1, listed
    look(s, first.thread_id)


def feedback_that_comes_back(s: Session) -> None:
    answer = create(s, "Hello")
    thread_id, item_id = answer.thread_id, answer.items("assistant_message")[0]["id"]
    for kind in ("positive", "negative"):
        s.send(kind, "items.feedback", {"thread_id": thread_id, "item_ids": [item_id], "kind": kind})
        listed = s.send(f"the items, {kind}", "items.list", {"thread_id": thread_id, "order": "asc"}).body["data"]
        shown = look(s, thread_id, f"the thread, {kind}").body["items"]["data"]
        for items in (listed, shown):
            found = [item["feedback"]["kind"] for item in items if "feedback" in item]
            assert found == [kind], items


def requests_that_http_refuses(s: Session) -> None:
    s.send("no user", "threads.list", {}, headers={"X-User-ID": None}, refused=(401, "unauthorized"))
    form = {"Content-Type": "text/plain"}
    s.send("a form of another site", "threads.list", {}, headers=form, refused=(415, "unsupported_media_type"))
    s.send("too large", "none", raw=b" " * 1_100_000, refused=(413, "too_large"))
    key = {"Idempotency-Key": "x" * 300}
    params = {"input": message("Hello")}
    s.send("too long a key", "threads.create", params, headers=key, refused=(400, "invalid_idempotency_key"))
    large = {"input": message("Hello") | {"metadata": {"page": "x" * 70_000}}}
    s.send("too much metadata", "threads.create", large, refused=INVALID)


# Where a speech model is configured, and the model writes titles.


def recordings(s: Session) -> None:
    assert s.model is not None

    def recording(length: int, kind: str = "audio/webm;codecs=opus") -> dict[str, str]:
        return {"audio_base64": base64.b64encode(b"x" * length).decode(), "mime_type": kind}

    for kind in ("audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"):
        said = s.send(kind, "input.transcribe", recording(300, kind)).body
        assert kind.split(";")[0] in said["text"], said
    s.send("larger than other requests may be", "input.transcribe", recording(3_000_000))
    s.send("nothing", "input.transcribe", recording(0), refused=(422, "refused"))
    s.send("no recording", "input.transcribe", recording(9, "text/html"), refused=(422, "refused"))
    s.send("not base64", "input.transcribe", recording(9) | {"audio_base64": "?"}, refused=INVALID)
    s.send("too long", "input.transcribe", recording(10 * 1024 * 1024 + 1), refused=(413, "too_large"))
    for status, refused in ((429, (503, "unavailable")), (401, (500, "internal")), (400, (422, "refused"))):
        s.script({"purpose": "transcription", "steps": [{"step": "status", "status": status}]})
        s.send(f"the speech model says {status}", "input.transcribe", recording(9), refused=refused)


def a_title_by_the_model(s: Session) -> None:
    s.script({"purpose": "title", "steps": [{"step": "text", "text": "Kettles"}]})
    answer = create(s, "Which kettle is the best one?")
    titles = [event["thread"]["title"] for event in answer.events if event["type"] == "thread.updated"]
    # One that is slow to come is announced by the next answer, after one for the time being.
    assert titles in (["Kettles"], ["Which kettle is the best one?"]), titles
    add(s, answer.thread_id, "And which is the worst?")

    def seen() -> str:
        return Session(s.name, s.url, s.model).send("the title", "threads.list", {}).body["data"][0]["title"]

    deadline = time.monotonic() + PATIENCE_SECONDS
    while seen() != "Kettles":
        assert time.monotonic() < deadline, f"the title is {seen()!r}"
        time.sleep(0.02)


# Where the model may make images.


def images_that_are_made(s: Session) -> None:
    made = create(s, "/image a red fox")
    image = made.items("generated_image")[0]["image"]
    assert image["alt"] == "a red fox", image
    updates = [event["update"] for event in made.events if event["type"] == "thread.item.updated"]
    growing = [update for update in updates if update["type"] == "generated_image.updated"]
    assert len(growing) == 2, growing
    look(s, made.thread_id)
    s.send("the items", "items.list", {"thread_id": made.thread_id, "order": "asc"})
    add(s, made.thread_id, "/image make it blue", "changed")
    refused = add(s, made.thread_id, "/image-refused another", "refused")
    assert [event["level"] for event in refused.events if event["type"] == "notice"] == ["warning"]
    look(s, made.thread_id, "all of them")


OURS: list[Callable[[Session], None]] = [
    cited_documents,
    a_turn_that_is_stopped,
    a_turn_that_is_resumed,
    a_client_that_goes_away,
    a_request_that_is_repeated,
    feedback_that_comes_back,
    requests_that_http_refuses,
]


def fails_as_expected(session: Session) -> Iterator[str]:
    """A model in trouble is an error that says so, and never a silent end. An event that is no JSON is passed over."""
    expected = {
        "model_fail_500": "model.server_error",
        "model_fail_429": "model.rate_limited",
        "model_fail_401": "model.unauthorized",
        "model_fail_400": "model.bad_request",
        "model_error": "model.server_error",
        "model_cut": "model.cut",
        "model_end": "model.cut",
        "model_malformed": "model.malformed",
        "an_empty_answer": "model.empty",
    }.get(session.name)
    if session.model is None or not session.exchanges:
        return
    first: Exchange = session.exchanges[0]
    reasons = [event.get("reason") for event in first.events if event["type"] == "error"]
    if reasons != ([expected] if expected else []):
        yield f"create: the errors are {reasons}, expected {expected}"


def wire_results(name: str, server: Process, model: Process | None, cases: list[Callable[[Session], None]]):
    """Runs cases against a Parlor; gives the sessions and a result for each case."""
    ids: set[str] = set()
    sessions: dict[str, Session] = {}
    results: list[Result] = []
    for case in cases:
        session = sessions[case.__name__] = run_case(case, f"{server.url}/chatkit", model)
        problems = problems_of(session, ids) + list(fails_as_expected(session))
        results.append((f"wire: {name}: {case.__name__}", problems))
    return sessions, results


def start(processes: Processes, model: Process) -> dict[str, Process]:
    """A Parlor with documents for each way to answer."""
    address = {"OPENAI_BASE_URL": f"{model.url}/v1"}
    ways = {
        "responses": address,
        "chat_completions": address | {"PARLOR_MODEL_API": "chat_completions"},
        "no-model": {},
    }
    for name in ways:
        processes.ingest(name)
    return {name: processes.parlor(name, **environment) for name, environment in ways.items()}


def results(processes: Processes, model: Process) -> Iterator[Result]:
    servers = start(processes, model)
    for name, server in servers.items():
        server.ready()
        asked = None if name == "no-model" else model
        cases = [case for case in corpus.CASES if asked or case not in corpus.NEED_A_MODEL] + OURS
        sessions, wire = wire_results(name, server, asked, cases)
        yield from wire
        if asked and name == "responses":
            yield from test_checks.results(sessions["a_conversation"])
    more = {
        "PARLOR_DICTATION__NAME": "fake-speech",
        "PARLOR_TITLES__ENABLED": "true",
        "PARLOR_IMAGE_GENERATION__ENABLED": "true",
    }
    speech = processes.parlor("speech-and-titles", OPENAI_BASE_URL=f"{model.url}/v1", **more)
    speech.ready()
    _, wire = wire_results("speech and titles", speech, model, [recordings, a_title_by_the_model, images_that_are_made])
    yield from wire


if __name__ == "__main__":
    import run

    with Processes() as processes:
        raise SystemExit(run.report(results(processes, processes.fake_model())))
