"""The clock is stepped back an hour in mid-thread, and forward in the middle of an answer: order stays, turns go on.

The real server runs under Debian's libfaketime, which takes its offset from a file. Only the time of day is stepped, as
an administrator or a time server would do it; timers go by a clock that no one can step.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from corpus import add, create, look, message
from harness import ROOT, Process, Processes, Session, run_case
from turns import asked, items, problems_of, script, text_of

Result = tuple[str, list[str]]

LIBRARY = "usr/lib/*/faketime/libfaketime.so.1"


class Clock:
    """The clock of the server that reads its offset from this file."""

    def __init__(self, folder: str):
        self.file = Path(folder) / "clock"
        self.set("+0")

    def set(self, offset: str) -> None:
        """Such as `-1h`."""
        # Replaced at once: the server may read it at any moment.
        written = self.file.with_suffix(".new")
        written.write_text(f"{offset}\n")
        written.rename(self.file)

    def environment(self) -> dict[str, str]:
        found = [*Path("/").glob(LIBRARY), *(ROOT / ".cache/debian").glob(LIBRARY)]
        if not found:
            raise SystemExit("libfaketime is missing: run `make setup`")
        return {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def times(found: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(record["created_at"]) for record in found]


def paged(s: Session, operation: str, order: str, **params: Any) -> list[str]:
    """The ids of a list, read in small pages."""
    ids: list[str] = []
    after = None
    while True:
        page = s.send("page", operation, params | {"order": order, "limit": 2, "after": after}).body
        ids += [record["id"] for record in page["data"]]
        if not page["has_more"]:
            return ids
        after = page["after"]


def cases(clock: Clock):
    def stepped_back_between_turns(s: Session) -> None:
        thread_id = create(s, "one").thread_id
        add(s, thread_id, "two")
        clock.set("-1h")
        add(s, thread_id, "three")
        clock.set("-3d")
        add(s, thread_id, "four")
        clock.set("+0")
        add(s, thread_id, "five")
        kept = items(s, thread_id)
        at = times(kept)
        assert at[3] - at[4] > timedelta(minutes=59), "the clock was not stepped"
        assert all(record["created_at"].endswith("Z") for record in kept), "a time is not in UTC"
        questions = [text_of(item) for item in kept if item["type"] == "user_message"]
        assert questions == ["one", "two", "three", "four", "five"], questions
        ids = [item["id"] for item in kept]
        assert [item["type"] for item in kept] == ["user_message", "assistant_message"] * 5
        assert paged(s, "items.list", "asc", thread_id=thread_id) == ids
        assert paged(s, "items.list", "desc", thread_id=thread_id) == ids[::-1]
        told = str(asked(s)[-1]["body"])
        places = [told.find(f"said: {word}") for word in ("one", "two", "three", "four")]
        assert -1 not in places and places == sorted(places), f"the model was told of the answers at {places}"

    def stepped_back_between_threads(s: Session) -> None:
        first = create(s, "first").thread_id
        clock.set("-1h")
        second = create(s, "second").thread_id
        clock.set("+0")
        third = create(s, "third").thread_id
        at = times([look(s, thread_id).body for thread_id in (first, second)])
        assert at[0] - at[1] > timedelta(minutes=59), "the clock was not stepped"
        assert paged(s, "threads.list", "desc") == [third, second, first]
        assert paged(s, "threads.list", "asc") == [first, second, third]

    def stepped_while_an_answer_is_written(s: Session) -> None:
        half = [{"step": "text", "text": "Half, "}, {"step": "hold", "name": "middle"}]
        more = [{"step": "text", "text": "more, "}, {"step": "hold", "name": "end"}, {"step": "text", "text": "whole."}]
        s.script(script(*half, *more))
        live = s.open("create", "threads.create", {"input": message("Tell me")})
        live.until(lambda exchange: "Half" in str(exchange.events))
        clock.set("-1h")
        s.release("middle")
        live.until(lambda exchange: "more" in str(exchange.events))
        # An answer may take 15 minutes, but by another clock.
        clock.set("+2h")
        s.release("end")
        live.finish()
        assert live.exchange.comments[-1:] == ["end done"], live.exchange.comments
        thread_id = live.exchange.thread_id
        clock.set("+0")
        s.send("resume", "threads.resume", {"thread_id": thread_id}, refused=(404, "no_running_turn"))
        assert add(s, thread_id, "And now?").comments[-1:] == ["end done"]
        assert [text_of(item) for item in items(s, thread_id)][:3] == ["Tell me", "Half, more, whole.", "And now?"]

    return [stepped_back_between_turns, stepped_back_between_threads, stepped_while_an_answer_is_written]


def results(processes: Processes, model: Process) -> Iterator[Result]:
    clock = Clock(processes.folder)
    environment = {"OPENAI_BASE_URL": f"{model.url}/v1", "PARLOR_SEARCH__ENABLED": "false"}
    server = processes.parlor("clock", **environment, **clock.environment()).ready()
    for case in cases(clock):
        clock.set("+0")
        session = run_case(case, f"{server.url}/chatkit", model)
        yield f"clock: {case.__name__}", problems_of(session)
