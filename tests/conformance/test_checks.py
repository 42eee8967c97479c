"""The checks notice what is wrong: a real conversation is spoiled in one place at a time, and must not pass."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from checks import problems_of
from harness import Exchange, Session

Exchanges = list[Exchange]


def _first(exchange: Exchange, type: str) -> dict[str, Any]:
    return next(event for event in exchange.events if event["type"] == type)


def _without_a_delta(exchanges: Exchanges) -> None:
    events = exchanges[0].events
    events.remove(next(event for event in events if "delta" in event.get("update", {})))
    # Numbered as if nothing was missing.
    exchanges[0].ids.pop()


def _with_an_id_used_twice(exchanges: Exchanges) -> None:
    _first(exchanges[2], "thread.item.done")["item"]["id"] = _first(exchanges[0], "thread.item.done")["item"]["id"]


def _with_other_text_stored(exchanges: Exchanges) -> None:
    exchanges[1].text = exchanges[1].text.replace('"output_text"}', '"output_text","text":"x"}')


def _without_the_last_event(exchanges: Exchanges) -> None:
    exchanges[0].events.pop()
    exchanges[0].ids.pop()


def _with_pages_out_of_order(exchanges: Exchanges) -> None:
    oldest = next(exchange for exchange in exchanges if exchange.label == "oldest first")
    # The second is from the last century.
    begin, first, second, rest = oldest.text.split('"created_at":"20', 3)
    oldest.text = f'{begin}"created_at":"20{first}"created_at":"19{second}"created_at":"20{rest}'


SPOILED: dict[str, Callable[[Exchanges], Any]] = {
    "a delta is missing": _without_a_delta,
    "an id is used twice": _with_an_id_used_twice,
    "something else is stored": _with_other_text_stored,
    "the last event is missing": _without_the_last_event,
    "a page is out of order": _with_pages_out_of_order,
    "a time has no zone": lambda x: x[0].events[0]["thread"].update(created_at="2026-01-01T00:00:00"),
    "a field is not known": lambda x: x[0].events[0]["thread"].update(secret=1),
    "a field is null": lambda x: x[0].events[0]["thread"].update(title=None),
    "a field has another type": lambda x: _first(x[0], "stream_options")["stream_options"].update(allow_cancel="yes"),
    "an event is not known": lambda x: _first(x[0], "stream_options").update(type="stream_option"),
    "the terminal comment is missing": lambda x: x[0].comments.clear(),
    "an event has another number": lambda x: x[0].ids.__setitem__(0, "7"),
    "the connection was cut": lambda x: setattr(x[1], "broken", True),
    "a request failed": lambda x: setattr(x[1], "status", 500),
    "a header is missing": lambda x: x[1].headers.pop("parlor-protocol"),
}


def results(session: Session) -> Iterator[tuple[str, list[str]]]:
    """Spoils the recorded case `a_conversation`."""
    for what, spoil in SPOILED.items():
        spoiled = Session(session.name, session.url, session.model)
        spoiled.exchanges = copy.deepcopy(session.exchanges)
        spoil(spoiled.exchanges)
        noticed = problems_of(spoiled, set())
        yield f"checks: {what}", [] if noticed else ["nothing was noticed"]
