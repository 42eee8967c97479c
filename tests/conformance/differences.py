"""How two servers' answers to the same requests differ, and which of that is deliberate.

Ids become names like `assistant_message 1 of create` (the request that a case first met them in), times `<time>`, links to files
`<url>`, and consecutive deltas of one text become one. What is left is compared, and each difference is a line:

    parlor only: progress_update
    reference only: thread.item.added workflow
    thread.item.done assistant_message .item.content[0].text: reference "a", parlor "b"
    body.items.data: reference only: workflow
    parlor refuses (404 not_found), reference fails (500)
    model requests: reference 1, parlor 2

`differences.toml` lists the deliberate ones. A line that no entry fits is a failure, and so is an entry that fits no
line.
"""

import difflib
import fnmatch
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checks import ADDED_FIELDS
from harness import Exchange, Session

LONGEST_VALUE = 160


class Names:
    """Gives the ids of a case names that both servers would give."""

    def __init__(self):
        self.names: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.label = ""

    def name(self, id: str, kind: str) -> str:
        if id not in self.names:
            name = f"{kind} of {self.label}"
            self.counts[name] = self.counts.get(name, 0) + 1
            self.names[id] = f"{kind} {self.counts[name]} of {self.label}"
        return self.names[id]

    def normalised(self, value: Any, kind: str = "thread") -> Any:
        """The value without what differs from run to run. Nulls are left out, as by the reference."""
        if isinstance(value, list):
            return [self.normalised(inner, kind) for inner in value]
        if not isinstance(value, dict):
            return value
        if "thread_id" in value and "created_at" in value:
            kind = value.get("type", kind)
        result = {}
        for name, inner in value.items():
            if inner is None:
                continue
            if name == "created_at":
                result[name] = "<time>"
            elif name == "thread_id" and isinstance(inner, str):
                result[name] = self.name(inner, "thread")
            elif name == "id" and "created_at" in value:
                result[name] = self.name(inner, kind)
            elif name == "id" and "mime_type" in value:
                result[name] = self.name(inner, "attachment")
            elif name == "preview_url" or (name == "url" and "headers" in value):
                result[name] = "<url>"
            elif name == "headers" and "url" in value:
                # Whatever the server wants with the bytes.
                result[name] = "<headers>"
            elif "mime_type" in value and name in ADDED_FIELDS["file"]:
                continue
            elif name in ("item_id", "after"):
                result[name] = self.names.get(inner, inner)
            else:
                result[name] = self.normalised(inner)
        return result


def events_of(exchange: Exchange, names: Names) -> list[dict[str, Any]]:
    """The events, normalised, with runs of text deltas joined and Parlor's own fields left out."""
    events: list[dict[str, Any]] = []
    for raw in exchange.events:
        added = ADDED_FIELDS.get(raw["type"], set())
        event = names.normalised({name: value for name, value in raw.items() if name not in added})
        update = event.get("update", {})
        if update and events and _goes_on(events[-1], event):
            before = events[-1]["update"]
            if "delta" in update:
                update["delta"] = before["delta"] + update["delta"]
            events[-1]["update"] = update
        else:
            events.append(event)
    return events


def _goes_on(before: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether two updates in a row are about one growing text."""
    places = [
        (some.get("item_id"),)
        + tuple(some.get("update", {}).get(name) for name in ("type", "content_index", "component_id", "task_index"))
        for some in (before, event)
    ]
    return places[0] == places[1] and ("delta" in event["update"] or "task" in event["update"])


def _kind(event: dict[str, Any]) -> str:
    """What an event is, in a few words."""
    if "update" in event:
        return f"{event['type']} {event['update']['type']}"
    if "item" in event:
        return f"{event['type']} {event['item']['type']}"
    return event["type"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def _values(path: str, reference: Any, parlor: Any) -> Iterator[str]:
    if isinstance(reference, dict) and isinstance(parlor, dict):
        for name in sorted(reference.keys() | parlor.keys()):
            inner = f"{path}.{name}"
            if name not in parlor:
                yield f"{inner}: reference {_short(reference[name])}, parlor has none"
            elif name not in reference:
                yield f"{inner}: reference has none, parlor {_short(parlor[name])}"
            else:
                yield from _values(inner, reference[name], parlor[name])
    elif isinstance(reference, list) and isinstance(parlor, list) and _is_of_records(reference + parlor):
        kinds = [[record.get("type", "thread") for record in records] for records in (reference, parlor)]
        ids = [[record["id"] for record in records] for records in (reference, parlor)]
        for tag, a, a_end, b, b_end in difflib.SequenceMatcher(None, *ids, autojunk=False).get_opcodes():
            if tag == "equal":
                for at in range(a_end - a):
                    yield from _values(f"{path}[{a + at}]", reference[a + at], parlor[b + at])
            else:
                yield from (f"{path}: reference only: {kind}" for kind in kinds[0][a:a_end])
                yield from (f"{path}: parlor only: {kind}" for kind in kinds[1][b:b_end])
    elif isinstance(reference, list) and isinstance(parlor, list) and len(reference) == len(parlor):
        for at, pair in enumerate(zip(reference, parlor, strict=True)):
            yield from _values(f"{path}[{at}]", *pair)
    elif reference != parlor:
        yield f"{path}: reference {_short(reference)}, parlor {_short(parlor)}"


def _is_of_records(values: list[Any]) -> bool:
    """Whether these are items or threads."""
    return bool(values) and all(isinstance(value, dict) and "created_at" in value for value in values)


def _outcome(exchange: Exchange) -> str:
    """How a request ended, where that is not an answer."""
    if exchange.status == 200:
        return "cuts the stream" if exchange.broken else "answers"
    try:
        return f"refuses ({exchange.status} {exchange.body['error']['code']})"
    except (ValueError, TypeError, KeyError):
        return f"fails ({exchange.status})"


def lines_of(reference: Exchange, parlor: Exchange, names: tuple[Names, Names]) -> Iterator[str]:
    """The differences between two answers."""
    outcomes = _outcome(reference), _outcome(parlor)
    if outcomes != ("answers", "answers"):
        # Where both don't answer there is nothing in common but that.
        yield f"parlor {outcomes[1]}, reference {outcomes[0]}"
    both_answered = reference.status == parlor.status == 200
    if both_answered and reference.is_stream != parlor.is_stream:
        types = [answer.headers.get("content-type") for answer in (reference, parlor)]
        yield f"content type: reference {types[0]}, parlor {types[1]}"
    elif both_answered and parlor.is_stream:
        yield from _streams(events_of(reference, names[0]), events_of(parlor, names[1]))
    elif both_answered:
        yield from _values("body", names[0].normalised(reference.body), names[1].normalised(parlor.body))


def _streams(reference: list[dict[str, Any]], parlor: list[dict[str, Any]]) -> Iterator[str]:
    kinds = [_kind(event) for event in reference], [_kind(event) for event in parlor]
    matcher = difflib.SequenceMatcher(a=kinds[0], b=kinds[1], autojunk=False)
    for tag, a, a_end, b, b_end in matcher.get_opcodes():
        if tag == "equal":
            for at in range(a_end - a):
                yield from _values(f"{kinds[0][a + at]} ", reference[a + at], parlor[b + at])
        else:
            yield from (f"reference only: {kind}" for kind in kinds[0][a:a_end])
            yield from (f"parlor only: {kind}" for kind in kinds[1][b:b_end])


def compare(reference: Session, parlor: Session) -> Iterator[tuple[str, str]]:
    """The differences of a case, each with the label of its request."""
    names = Names(), Names()
    answers = {exchange.label: exchange for exchange in reference.exchanges}
    for exchange in parlor.exchanges:
        answer = answers.pop(exchange.label, None)
        if answer is None:
            yield exchange.label, "reference: not asked"
            continue
        for known in names:
            known.label = exchange.label
        for line in lines_of(answer, exchange, names):
            yield exchange.label, line
    if reference.model_requests != parlor.model_requests:
        asked = f"model requests: reference {reference.model_requests}, parlor {parlor.model_requests}"
        yield "the whole case", asked
    for label in answers:
        if label != "the rest of the case":
            yield label, "parlor: not asked"


class Deliberate:
    """The list of deliberate differences.

    An entry has patterns of places (`where`: `API/case/request`) and of lines (`what`), and a `reason`. Each of its
    patterns must fit something, unless it says `sometimes = true`: what depends on the reference's timing.
    """

    def __init__(self, path: Path):
        self.entries = tomllib.loads(path.read_text())["difference"]
        for entry in self.entries:
            if not {"where", "what", "reason"} <= set(entry) <= {"where", "what", "reason", "sometimes"}:
                raise SystemExit(f"{path.name}: an entry has `where`, `what`, `reason`, and maybe `sometimes`: {entry}")
            for name in ("where", "what"):
                patterns = [entry[name]] if isinstance(entry[name], str) else entry[name]
                entry[name] = dict.fromkeys(patterns, False)

    def fits(self, where: str, line: str) -> bool:
        """Whether a difference is listed."""
        found = False
        for entry in self.entries:
            wheres = [pattern for pattern in entry["where"] if _match(where, pattern)]
            whats = [pattern for pattern in entry["what"] if _match(line, pattern)]
            if wheres and whats:
                found = True
                entry["where"] |= dict.fromkeys(wheres, True)
                entry["what"] |= dict.fromkeys(whats, True)
        return found

    def unmet(self) -> list[str]:
        """What is listed and did not occur."""
        return [
            f"no longer occurs: {pattern!r} ({entry['reason']})"
            for entry in self.entries
            if not entry.get("sometimes")
            for pattern, met in (entry["where"] | entry["what"]).items()
            if not met and pattern != "*"
        ]


def _match(text: str, pattern: str) -> bool:
    """`*` is anything; brackets are brackets."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))
