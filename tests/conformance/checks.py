"""What must hold for everything that Parlor says: the official models and the published schema take it, and it is
consistent with itself."""

import json
import re
from collections.abc import Iterator
from typing import Any

from chatkit.types import (
    Attachment,
    Page,
    SyncCustomActionResponse,
    Thread,
    ThreadItem,
    ThreadStreamEvent,
    TranscriptionResult,
)
from pydantic import TypeAdapter, ValidationError

from contract import definition_of_answer, problem_of, problem_of_refusal
from harness import Exchange, Session

EVENT = TypeAdapter(ThreadStreamEvent)

# What each operation answers; an empty object for the rest.
ANSWERS = {
    "threads.get_by_id": TypeAdapter(Thread),
    "threads.update": TypeAdapter(Thread),
    "threads.list": TypeAdapter(Page[Thread]),
    "items.list": TypeAdapter(Page[ThreadItem]),
    "attachments.create": TypeAdapter(Attachment),
    "input.transcribe": TypeAdapter(TranscriptionResult),
    "threads.sync_custom_action": TypeAdapter(SyncCustomActionResponse),
}

# Fields of ours that the official models don't know. They ignore them.
ADDED_FIELDS = {
    "error": {"reason", "request_id", "retry_after"},
    "assistant_message": {"feedback"},
    "file": {"download_url"},
    "image": {"download_url"},
}

# The same of objects without a type, by the name of the field that they are in.
ADDED_IN = {"image": {"alt"}}

# Fields that hold whatever the integrator likes. (`data` of a page is a list, and looked into.)
OPAQUE = {"output", "arguments", "payload"}

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
OUTCOMES = {"done", "failed", "stopped", "interrupted"}
# An id says nothing: a prefix, then at least 122 random bits.
ID = re.compile(r"[a-z]{2,5}_[0-9a-f]{32}")


def problems_of(session: Session, ids: set[str]) -> list[str]:
    """Everything that is wrong in a case. `ids` collects the ids of items and threads over all cases."""
    problems = []
    threads = Threads(ids)
    for exchange in session.exchanges:
        found = [*exchange.problems, *_answer(exchange)]
        if not found:
            found += threads.follow(exchange)
        problems += [f"{exchange.label}: {problem}" for problem in found]
    return problems


def _answer(exchange: Exchange) -> Iterator[str]:
    if exchange.operation == "none" and exchange.status == 0:
        return
    if exchange.broken:
        yield "the connection was cut"
        return
    if exchange.headers.get("parlor-protocol") != "1":
        yield "the header Parlor-Protocol is missing"
    request_id = exchange.headers.get("x-request-id", "")
    if not re.fullmatch(r"req_[0-9a-f]{32}", request_id):
        yield f"X-Request-ID is {request_id!r}"
    if exchange.expected:
        yield from _refusal(exchange, request_id, *exchange.expected)
    elif exchange.status != 200:
        yield f"refused with {exchange.status}: {exchange.text[:300]}"
    elif exchange.is_stream:
        yield from _stream(exchange, request_id)
    else:
        yield from _json(exchange)


def _refusal(exchange: Exchange, request_id: str, status: int, code: str) -> Iterator[str]:
    if exchange.status != status:
        yield f"answered with {exchange.status} instead of {status}: {exchange.text[:300]}"
        return
    if problem := problem_of_refusal(exchange.status, exchange.body):
        yield f"the error {problem}"
    error = exchange.body.get("error")
    if set(exchange.body) != {"error"} or not isinstance(error, dict):
        yield f"not the envelope of errors: {exchange.text[:300]}"
        return
    if error.get("code") != code:
        yield f"the code is {error.get('code')!r} instead of {code!r}: {error.get('message')!r}"
    allowed = {"code", "message", "request_id", "field", "reason", "retry_after"}
    if {"limit", "scope"} <= set(error):
        allowed |= {"limit", "scope", "reset_at"}
    if not {"code", "message", "request_id"} <= set(error) <= allowed:
        yield f"the error has the fields {sorted(error)}"
    if error.get("request_id") != request_id:
        yield "the error names another request than the header"
    if not isinstance(error.get("message"), str) or len(error["message"]) < 10:
        yield f"the message says nothing: {error.get('message')!r}"
    if code == "invalid_field" and not error.get("field"):
        yield "the field is not named"
    if status in (429, 503) and not exchange.headers.get("retry-after", "").isdigit():
        yield "Retry-After is missing"


def _json(exchange: Exchange) -> Iterator[str]:
    if problem := problem_of(definition_of_answer(exchange.operation), exchange.body):
        yield f"the answer {problem}"
    if exchange.headers.get("content-type") != "application/json":
        yield f"the content type is {exchange.headers.get('content-type')!r}"
    model = ANSWERS.get(exchange.operation)
    if exchange.operation == "threads.stop":
        if set(exchange.body) != {"stopped"} or not isinstance(exchange.body["stopped"], bool):
            yield f"not the answer of threads.stop: {exchange.text[:300]}"
    elif model is None:
        if exchange.body != {}:
            yield f"not an empty object: {exchange.text[:300]}"
    else:
        yield from _official(model, exchange.body)


def _stream(exchange: Exchange, request_id: str) -> Iterator[str]:
    if not exchange.headers.get("parlor-turn", "").startswith("trn_"):
        yield "the header Parlor-Turn is missing"
    for header, value in (("cache-control", "no-cache, no-transform"), ("x-accel-buffering", "no")):
        if exchange.headers.get(header) != value:
            yield f"{header} is {exchange.headers.get(header)!r}"
    for event in exchange.events:
        yield from _official(EVENT, event, event.get("type"))
        if problem := problem_of("ThreadStreamEvent", event):
            yield f"an event {problem}"
    if exchange.operation != "threads.resume" and exchange.ids != [str(n + 1) for n in range(len(exchange.events))]:
        yield f"the events are not numbered from 1: {exchange.ids}"
    last = exchange.text.rstrip("\n").rpartition("\n\n")[2]
    ends = [comment for comment in exchange.comments if comment.startswith("end ")]
    if len(ends) != 1 or last != f": {ends[0]}" or ends[0][4:] not in OUTCOMES:
        yield f"the stream does not end with one terminal comment: {exchange.comments}, {last!r}"
        return
    errors = [event for event in exchange.events if event["type"] == "error"]
    if (ends == ["end failed"]) != (len(errors) == 1):
        yield f"the stream ends with {ends} and has {len(errors)} error events"
    for error in errors:
        if exchange.events[-1] is not error:
            yield "something follows the error"
        if not error.get("reason") or not error.get("message"):
            yield f"the error has no reason or message: {error}"
        if error.get("request_id") != request_id and exchange.operation != "threads.resume":
            yield "the error names another request than the header"


def _official(model: TypeAdapter, value: Any, event_type: str | None = None) -> Iterator[str]:
    """The official model takes it, without converting a type, and knows every field."""
    try:
        parsed = model.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        yield f"the official model refuses it: {error}; it is {json.dumps(value)[:300]}"
        return
    known = model.dump_python(parsed, mode="json", by_alias=True)
    allowed = ADDED_FIELDS.get(event_type or "", set())
    yield from _unknown_fields(value, known, allowed, "")
    yield from _times(value, "")


def _unknown_fields(value: Any, known: Any, allowed: set[str], path: str) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(known, dict):
        allowed = allowed | ADDED_FIELDS.get(str(value.get("type")), set())
        for name, inner in value.items():
            if name in OPAQUE:
                continue
            if name in known:
                added = ADDED_IN.get(name, set())
                yield from _unknown_fields(inner, known[name], added, f"{path}.{name}")
            elif name not in allowed:
                yield f"{path}.{name} is a field that the official models don't know"
            if inner is None:
                yield f"{path}.{name} is null; the reference leaves such fields out"
    elif isinstance(value, list) and isinstance(known, list):
        for at, (inner, known_inner) in enumerate(zip(value, known, strict=True)):
            yield from _unknown_fields(inner, known_inner, set(), f"{path}[{at}]")


def _times(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "created_at" and not TIME.fullmatch(inner):
                yield f"{path}.{name} is not UTC with a Z: {inner}"
            yield from _times(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _times(inner, f"{path}[{at}]")


class Threads:
    """What the events of a case make of its threads, as a client sees them."""

    def __init__(self, ids: set[str]):
        self.ids = ids
        self.items: dict[str, dict[str, dict[str, Any]]] = {}
        self.titles: dict[str, str | None] = {}

    def follow(self, exchange: Exchange) -> Iterator[str]:
        if exchange.status != 200:
            return
        if exchange.is_stream:
            yield from self._stream(exchange)
        elif exchange.operation == "threads.sync_custom_action":
            changed = exchange.body.get("updated_item")
            if changed is not None:
                self.items[changed["thread_id"]][changed["id"]] = changed
        elif exchange.operation == "threads.get_by_id":
            yield from self._compare(exchange.body, exchange.body["items"])
        elif exchange.operation == "threads.update":
            self.titles[exchange.body["id"]] = exchange.body.get("title")
        elif exchange.operation == "threads.delete":
            pass
        elif exchange.operation in ("items.list", "threads.list"):
            found = [record["id"] for record in exchange.body["data"]]
            if len(set(found)) != len(found):
                yield f"a page names a record twice: {found}"
            times = [record["created_at"] for record in exchange.body["data"]]
            if times not in (sorted(times), sorted(times, reverse=True)):
                yield f"a page is out of order: {times}"
            if exchange.body["has_more"] and exchange.body.get("after") != found[-1]:
                yield f"the cursor of a page is not its last record: {exchange.body.get('after')}"

    def _new(self, id: str, what: str) -> Iterator[str]:
        if not ID.fullmatch(id):
            yield f"the id of a {what} is {id!r}"
        if id in self.ids:
            yield f"the id of a {what} was used before: {id}"
        self.ids.add(id)

    def _stream(self, exchange: Exchange) -> Iterator[str]:
        pending: dict[str, dict[str, Any]] = {}
        ended: set[str] = set()
        shown: dict[str, Any] | None = None
        begun = exchange.operation == "threads.resume"
        for event in exchange.events:
            type = event["type"]
            item = event.get("item", {})
            if item:
                if item["thread_id"] not in self.items and not begun:
                    yield f"an item of a thread that is not known: {item['thread_id']}"
                shown = self.items.setdefault(item["thread_id"], {})
            if type == "thread.created":
                if event is not exchange.events[0] or exchange.operation != "threads.create":
                    yield "thread.created is out of place"
                yield from self._new(event["thread"]["id"], "thread")
                self.items[event["thread"]["id"]] = shown = {}
            elif type == "thread.updated":
                self.titles[event["thread"]["id"]] = event["thread"].get("title")
            elif type == "stream_options":
                begun = True
            elif type == "thread.item.added":
                yield from self._new(item["id"], "item")
                pending[item["id"]] = json.loads(json.dumps(item))
            elif type == "thread.item.updated":
                if event["item_id"] not in pending:
                    yield f"an update of an item that is not being written: {event['item_id']}"
                else:
                    yield from _apply(pending[event["item_id"]], event["update"])
            elif type == "thread.item.done":
                expected = pending.pop(item["id"], None)
                if expected is None and item["id"] not in ended:
                    yield from self._new(item["id"], "item")
                # An item may be done again, when a responder learns something late.
                ended.add(item["id"])
                if expected is not None and expected != item and item["type"] in ("assistant_message", "widget"):
                    yield f"the finished item is not the sum of its updates: {item} is not {expected}"
                if item["type"] == "user_message" and begun:
                    yield "the user's message comes after stream_options"
                if item["type"] == "assistant_message" and not begun:
                    yield "an answer comes before stream_options"
                shown[item["id"]] = item
            elif type == "thread.item.replaced":
                if item["id"] not in shown:
                    yield f"an item is replaced that is not there: {item['id']}"
                shown[item["id"]] = item
            elif type == "thread.item.removed":
                if pending.pop(event["item_id"], None) is None:
                    holders = [items for items in self.items.values() if event["item_id"] in items]
                    if not holders:
                        yield f"an item is removed that is not there: {event['item_id']}"
                    for items in holders:
                        del items[event["item_id"]]
        if pending:
            yield f"items were begun and never ended: {sorted(pending)}"

    def _compare(self, thread: dict[str, Any], page: dict[str, Any]) -> Iterator[str]:
        """What is stored is what was streamed."""
        if thread["id"] not in self.items:
            return
        shown = list(self.items[thread["id"]].values())
        if page["has_more"]:
            shown = shown[: len(page["data"])]
        # What its reader thinks of an answer comes after it was streamed.
        stored = [{name: value for name, value in item.items() if name != "feedback"} for item in page["data"]]
        if [_without_signature(item) for item in stored] != [_without_signature(item) for item in shown]:
            yield f"stored is not what was streamed:\n    stored   {page['data']}\n    streamed {shown}"
        if thread.get("title") != self.titles.get(thread["id"]):
            yield f"the title is {thread.get('title')!r}, announced was {self.titles.get(thread['id'])!r}"


def _without_signature(item: dict[str, Any]) -> dict[str, Any]:
    """An item without what is made anew whenever it is read: the signature of an image's link."""
    image = item.get("image")
    if item["type"] != "generated_image" or not image:
        return item
    return item | {"image": image | {"url": image["url"].partition("?")[0]}}


def _apply(item: dict[str, Any], update: dict[str, Any]) -> Iterator[str]:
    """Applies an update as the official server does."""
    update = json.loads(json.dumps(update))
    kind = update["type"]
    if kind.startswith("assistant_message."):
        parts, at = item["content"], update["content_index"]
        if kind.endswith("content_part.added"):
            if at != len(parts):
                yield f"part {at} was added where {len(parts)} parts are"
            parts.append(update["content"])
        elif at >= len(parts):
            yield f"an update of part {at}, which does not exist"
        elif kind.endswith("text_delta"):
            if not update["delta"]:
                yield "an empty delta"
            parts[at]["text"] += update["delta"]
        elif kind.endswith("annotation_added"):
            if update["annotation_index"] != len(parts[at]["annotations"]):
                yield f"annotation {update['annotation_index']} comes out of turn"
            parts[at]["annotations"].append(update["annotation"])
            if not 0 <= update["annotation"].get("index", 0) <= len(parts[at]["text"]):
                yield f"an annotation is beyond the text: {update['annotation']}"
        elif parts[at] != update["content"]:
            yield f"part {at} is done as something else than the sum of its deltas: {update['content']}"
    elif kind == "workflow.task.added":
        if update["task_index"] != len(item["workflow"]["tasks"]):
            yield f"task {update['task_index']} comes out of turn"
        item["workflow"]["tasks"].append(update["task"])
    elif kind == "workflow.task.updated":
        item["workflow"]["tasks"][update["task_index"]] = update["task"]
    elif kind == "widget.root.updated":
        item["widget"] = update["widget"]
    elif kind == "widget.streaming_text.value_delta":
        component = _component(item["widget"], update["component_id"])
        if component is None:
            yield f"a delta for a component that does not exist: {update['component_id']}"
        else:
            component["value"] += update["delta"]
            if update["done"]:
                component.pop("streaming", None)
    elif kind == "generated_image.updated":
        item["image"] = update["image"]


def _component(component: Any, id: str) -> dict[str, Any] | None:
    if not isinstance(component, dict):
        return None
    if component.get("id") == id:
        return component
    children = component.get("children") or []
    found = (_component(child, id) for child in (children if isinstance(children, list) else [children]))
    return next((component for component in found if component), None)
