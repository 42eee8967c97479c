"""Records JSON of the wire protocol from the official ChatKit models.

Run it in a virtual environment with `requirements.txt`:

    python tests/conformance/record_fixtures.py           # write tests/fixtures/protocol/*.json
    python tests/conformance/record_fixtures.py --check   # fail when the files differ

Every case is validated by the official model that it names and is written as the official server
writes it. A case may have `written_as`: what the same value is once read and written again, where
that differs (defaults filled in, a zone added to a time).

The script fails when a model, or a field of a model, of the official SDK is in no case.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

warnings.simplefilter("ignore")  # The SDK deprecates direct use of its widget classes.

from pydantic import BaseModel, TypeAdapter  # noqa: E402

from chatkit import actions, icons, types, widgets  # noqa: E402
from chatkit.errors import ErrorCode  # noqa: E402
from chatkit.types import ChatKitReq, Page, ThreadItem, ThreadMetadata  # noqa: E402
from chatkit.version import __version__ as CHATKIT_VERSION  # noqa: E402

OUTPUT = Path(__file__).resolve().parent.parent / "fixtures" / "protocol"
TIME = "2026-01-02T03:04:05.678901Z"
ROUND_TIME = "2026-01-02T03:04:05Z"

files: dict[str, list[dict[str, Any]]] = {}
seen: dict[type, set[str]] = {}


# Recording -----------------------------------------------------------------------------------


def dump(value: Any) -> Any:
    """The value as the official server writes it."""
    if not isinstance(value, BaseModel):
        raise TypeError(f"not a model: {value!r}")
    return json.loads(
        value.model_dump_json(by_alias=True, exclude_none=True, context={"exclude_metadata": True})
    )


def note(value: Any) -> None:
    """Remembers which fields of which models have been given a value."""
    if isinstance(value, BaseModel):
        fields = seen.setdefault(type(value), set())
        for name in value.model_fields_set:
            field = getattr(value, name)
            if field is not None:
                fields.add(name)
            note(field)
    elif isinstance(value, dict):
        for field in value.values():
            note(field)
    elif isinstance(value, list):
        for field in value:
            note(field)


def add(file: str, name: str, model: str, value: Any, written_as: Any = None, **more: Any) -> None:
    cases = files.setdefault(file, [])
    if any(case["name"] == name for case in cases):
        raise ValueError(f"{file}: two cases are called {name}")
    case = {"name": name, "model": model, "json": value, **more}
    if written_as is not None and written_as != value:
        case["written_as"] = written_as
    cases.append(case)


def outgoing(file: str, name: str, model: Any, data: Any, label: str | None = None) -> None:
    """A value that the server sends, as the official server writes it."""
    value = model.model_validate(data)
    note(value)
    add(file, name, label or model.__name__, dump(value))


def incoming(name: str, data: dict[str, Any], *, keeps_null: bool = False) -> None:
    """A request as a client sends it."""
    value = TypeAdapter(ChatKitReq).validate_json(json.dumps(data))
    note(value)
    # Writing `None` out is up to the reader here: the SDK would drop a tool's result.
    written = data if keeps_null else dump(value)
    add("requests", name, type(value).__name__, data, written)


# Pieces --------------------------------------------------------------------------------------

TEXT = {"type": "input_text", "text": "Where is my order? 🚚"}
TAG = {"type": "input_tag", "id": "order_7", "text": "Order 7", "data": {"total": 12.5}}
FULL_TAG = {**TAG, "group": "orders", "interactive": True}
INFERENCE = {"tool_choice": {"id": "search"}, "model": "small-1"}

MINIMAL_INPUT = {"content": [TEXT], "attachments": [], "inference_options": {}}
FULL_INPUT = {
    "content": [TEXT, FULL_TAG],
    "attachments": ["atc_1", "atc_2"],
    "quoted_text": "delivered on Friday",
    "inference_options": INFERENCE,
}

SOURCE_BASE = {
    "title": "Delivery",
    "description": "How we deliver",
    "timestamp": "2026-01-02",
    "group": "Help",
}
URL_SOURCE = {"type": "url", "title": "Delivery", "url": "https://docs.example.org/a#b"}
FULL_URL_SOURCE = {**URL_SOURCE, **SOURCE_BASE, "attribution": "Example"}
FILE_SOURCE = {"type": "file", "title": "Prices", "filename": "prices.pdf"}
FULL_FILE_SOURCE = {**FILE_SOURCE, **SOURCE_BASE}
ENTITY_SOURCE = {"type": "entity", "title": "Ann", "id": "usr_1"}
FULL_ENTITY_SOURCE = {
    **ENTITY_SOURCE,
    **SOURCE_BASE,
    "icon": "profile",
    "label": "Customer",
    "inline_label": "Ann",
    "interactive": True,
    "data": {"vip": True, "visits": 3},
    "preview": "lazy",
}


def annotation(source: dict[str, Any], index: int | None = None) -> dict[str, Any]:
    return {"type": "annotation", "source": source, "index": index}


PLAIN_PART = {"type": "output_text", "text": "On its way."}
CITED_PART = {
    "type": "output_text",
    "text": "On its way, see 🚚 delivery.",
    "annotations": [annotation(FULL_URL_SOURCE, 26), annotation(FILE_SOURCE)],
}

TASKS = {
    "custom": {"type": "custom"},
    "custom_full": {
        "type": "custom",
        "status_indicator": "loading",
        "title": "Look up",
        "icon": "lucide:truck",
        "content": "Order **7**",
    },
    "web_search": {"type": "web_search"},
    "web_search_full": {
        "type": "web_search",
        "status_indicator": "complete",
        "title": "Searched",
        "title_query": "delivery",
        "queries": ["delivery", "delay"],
        "sources": [URL_SOURCE, FULL_URL_SOURCE],
    },
    "thought": {"type": "thought", "content": "Hm."},
    "thought_full": {
        "type": "thought",
        "status_indicator": "none",
        "title": "Thinking",
        "content": "The order is late.",
    },
    "file": {"type": "file"},
    "file_full": {
        "type": "file",
        "status_indicator": "complete",
        "title": "Read",
        "sources": [FILE_SOURCE, FULL_FILE_SOURCE],
    },
    "image": {"type": "image"},
    "image_full": {"type": "image", "status_indicator": "loading", "title": "Drawing"},
}

WORKFLOWS = {
    "workflow_empty": {"type": "reasoning", "tasks": []},
    "workflow_all_tasks": {
        "type": "custom",
        "tasks": list(TASKS.values()),
        "summary": {"title": "Done", "icon": "check"},
        "expanded": True,
    },
    "workflow_title_only": {"type": "custom", "tasks": [], "summary": {"title": "Done"}},
    "workflow_duration": {
        "type": "reasoning",
        "tasks": [TASKS["thought"]],
        "summary": {"duration": 12},
    },
}

ANSWER = {"values": ["red", "an own one"], "skipped": False}
STRUCTURED_INPUTS = {
    "multiple_choice": {"type": "multiple_choice", "id": "q1", "question": "Colour?", "options": []},
    "multiple_choice_full": {
        "type": "multiple_choice",
        "id": "q1",
        "question": "Colours?",
        "options": [{"value": "red"}, {"value": "blue"}],
        "multiple": True,
        "answer": ANSWER,
    },
    "freeform": {"type": "freeform", "id": "q2", "question": "Why?"},
    "freeform_full": {
        "type": "freeform",
        "id": "q2",
        "question": "Why?",
        "description": "In a few words",
        "answer": {"values": [], "skipped": True},
    },
}

ATTACHMENTS = {
    "file": {"type": "file", "id": "atc_1", "name": "a.pdf", "mime_type": "application/pdf"},
    "file_full": {
        "type": "file",
        "id": "atc_1",
        "name": "Rechnung März.pdf",
        "mime_type": "application/pdf",
        "upload_descriptor": {
            "url": "https://files.example.org/atc_1?sig=x",
            "method": "PUT",
            "headers": {"x-checksum": "abc"},
        },
        "thread_id": "thr_1",
        "metadata": {"left": "out of every response"},
    },
    "image": {
        "type": "image",
        "id": "atc_2",
        "name": "a.png",
        "mime_type": "image/png",
        "preview_url": "https://files.example.org/atc_2/preview",
    },
    "image_full": {
        "type": "image",
        "id": "atc_2",
        "name": "a.png",
        "mime_type": "image/png",
        "preview_url": "https://files.example.org/atc_2/preview",
        "upload_descriptor": {"url": "https://files.example.org/atc_2", "method": "POST"},
        "thread_id": "thr_1",
        "metadata": {"left": "out of every response"},
    },
}

IMAGE = {"id": "img_1", "url": "https://files.example.org/img_1.png"}
CARD = {"type": "Card", "children": [{"type": "Text", "id": "t", "value": "Order 7"}]}


def item(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": "itm_1", "thread_id": "thr_1", "created_at": TIME, **fields}


ITEMS = {
    "user_message": item("user_message", content=[], inference_options={}),
    "user_message_full": item(
        "user_message",
        content=[TEXT, TAG, FULL_TAG],
        attachments=list(ATTACHMENTS.values()),
        quoted_text="delivered on Friday",
        inference_options=INFERENCE,
    ),
    "assistant_message": item("assistant_message", content=[]),
    "assistant_message_full": item("assistant_message", content=[PLAIN_PART, CITED_PART]),
    "client_tool_call": item("client_tool_call", call_id="c1", name="open", arguments={}),
    "client_tool_call_full": item(
        "client_tool_call",
        status="completed",
        call_id="c1",
        name="open",
        arguments={"path": "/orders", "deep": {"list": [1, 2.5, "x", False]}},
        output={"ok": True},
    ),
    "client_tool_call_text_output": item(
        "client_tool_call", status="completed", call_id="c1", name="open", arguments={}, output="ok"
    ),
    "widget": item("widget", widget=CARD),
    "widget_full": item("widget", widget=CARD, copy_text="Order 7"),
    "generated_image": item("generated_image"),
    "generated_image_full": item("generated_image", image=IMAGE),
    "structured_input": item("structured_input", inputs=[]),
    "structured_input_full": item(
        "structured_input", status="answered", inputs=list(STRUCTURED_INPUTS.values())
    ),
    "structured_input_skipped": item("structured_input", status="skipped", inputs=[]),
    "workflow": item("workflow", workflow=WORKFLOWS["workflow_empty"]),
    "workflow_full": item("workflow", workflow=WORKFLOWS["workflow_all_tasks"]),
    "task": item("task", task=TASKS["custom"]),
    "task_full": item("task", task=TASKS["web_search_full"]),
    "end_of_turn": item("end_of_turn"),
    "hidden_context_item": item("hidden_context_item", content="The user is new."),
    "hidden_context_item_any": item("hidden_context_item", content={"cart": [1, "two"]}),
    "sdk_hidden_context": item("sdk_hidden_context", content="The user pressed stop."),
}

THREAD = {"id": "thr_1", "created_at": ROUND_TIME}
FULL_THREAD = {
    **THREAD,
    "title": "Order 7",
    "created_at": TIME,
    "status": {"type": "locked", "reason": "Under review"},
    "allowed_image_domains": ["img.example.org"],
    "metadata": {"team": "blue"},
}


# Cases ---------------------------------------------------------------------------------------


def record_requests() -> None:
    meta = {"userId": "u1", "pageContext": {"url": "https://example.org/a", "title": "A"}}
    cases = {
        "threads.get_by_id": ({"thread_id": "thr_1"}, None),
        "threads.create": ({"input": MINIMAL_INPUT}, {"input": FULL_INPUT}),
        "threads.list": ({}, {"limit": 20, "order": "asc", "after": "thr_9"}),
        "threads.add_user_message": (
            {"thread_id": "thr_1", "input": MINIMAL_INPUT},
            {"thread_id": "thr_1", "input": FULL_INPUT},
        ),
        "threads.add_client_tool_output": (
            {"thread_id": "thr_1", "result": "done"},
            {"thread_id": "thr_1", "result": {"deep": [1, 2.5, {"ok": True}]}},
        ),
        "threads.add_structured_input": (
            {"thread_id": "thr_1", "item_id": "itm_1", "input": {}},
            {
                "thread_id": "thr_1",
                "item_id": "itm_1",
                "input": {
                    "status": "skipped",
                    "answers": {"q1": ANSWER, "q2": {"values": [], "skipped": True}, "q3": {}},
                },
            },
        ),
        "threads.custom_action": (
            {"thread_id": "thr_1", "action": {"type": "order"}},
            {
                "thread_id": "thr_1",
                "item_id": "itm_1",
                "action": {"type": "order", "payload": {"id": 7, "form": {"size": "M"}}},
            },
        ),
        "threads.sync_custom_action": (
            {"thread_id": "thr_1", "action": {"type": "order"}},
            {"thread_id": "thr_1", "item_id": "itm_1", "action": {"type": "order", "payload": "x"}},
        ),
        "threads.retry_after_item": ({"thread_id": "thr_1", "item_id": "itm_1"}, None),
        "threads.update": ({"thread_id": "thr_1", "title": "Neuer Titel ✓"}, None),
        "threads.delete": ({"thread_id": "thr_1"}, None),
        "items.list": (
            {"thread_id": "thr_1"},
            {"thread_id": "thr_1", "limit": 5, "order": "asc", "after": "itm_9"},
        ),
        "items.feedback": (
            {"thread_id": "thr_1", "item_ids": [], "kind": "negative"},
            {"thread_id": "thr_1", "item_ids": ["itm_1", "itm_2"], "kind": "positive"},
        ),
        "attachments.create": ({"name": "a.png", "size": 12, "mime_type": "image/png"}, None),
        "attachments.delete": ({"attachment_id": "atc_1"}, None),
        "input.transcribe": (
            {"audio_base64": "UklGRg==", "mime_type": "audio/webm;codecs=opus"},
            None,
        ),
    }
    for kind, (minimal, full) in cases.items():
        incoming(kind, {"type": kind, "params": minimal})
        incoming(f"{kind} full", {"type": kind, "params": full or minimal, "metadata": meta})
    incoming(
        "threads.add_client_tool_output null",
        {
            "type": "threads.add_client_tool_output",
            "params": {"thread_id": "thr_1", "result": None},
            "metadata": {},
        },
        keeps_null=True,
    )


def record_items() -> None:
    adapter = TypeAdapter(ThreadItem)
    for name, data in ITEMS.items():
        outgoing("items", name, type(adapter.validate_python(data)), data)
    outgoing("items", "content_plain", types.AssistantMessageContent, PLAIN_PART)
    outgoing("items", "content_cited", types.AssistantMessageContent, CITED_PART)
    outgoing("items", "content_text", types.UserMessageTextContent, TEXT)
    outgoing("items", "content_tag", types.UserMessageTagContent, TAG)
    outgoing("items", "content_tag_full", types.UserMessageTagContent, FULL_TAG)
    outgoing("items", "input", types.UserMessageInput, MINIMAL_INPUT)
    outgoing("items", "input_full", types.UserMessageInput, FULL_INPUT)
    outgoing("items", "image", types.GeneratedImage, IMAGE)


def record_item_updates() -> None:
    cases: list[tuple[str, Any, dict[str, Any]]] = [
        ("part_added", types.AssistantMessageContentPartAdded, {"content_index": 0, "content": PLAIN_PART}),
        ("part_text_delta", types.AssistantMessageContentPartTextDelta, {"content_index": 1, "delta": " way 🚚"}),
        (
            "part_annotation_added",
            types.AssistantMessageContentPartAnnotationAdded,
            {"content_index": 0, "annotation_index": 1, "annotation": annotation(ENTITY_SOURCE, 4)},
        ),
        ("part_done", types.AssistantMessageContentPartDone, {"content_index": 0, "content": CITED_PART}),
        (
            "widget_text_delta",
            types.WidgetStreamingTextValueDelta,
            {"component_id": "t", "delta": "!", "done": True},
        ),
        ("widget_root", types.WidgetRootUpdated, {"widget": CARD}),
        (
            "widget_component",
            types.WidgetComponentUpdated,
            {"component_id": "t", "component": {"type": "Text", "id": "t", "value": "Order 8"}},
        ),
        ("task_added", types.WorkflowTaskAdded, {"task_index": 0, "task": TASKS["thought"]}),
        ("task_updated", types.WorkflowTaskUpdated, {"task_index": 2, "task": TASKS["file_full"]}),
        ("image", types.GeneratedImageUpdated, {"image": IMAGE}),
        ("image_progress", types.GeneratedImageUpdated, {"image": IMAGE, "progress": 0.25}),
    ]
    for name, model, data in cases:
        outgoing("item_updates", name, model, {"type": model.model_fields["type"].default, **data})
        outgoing(
            "events",
            f"item_updated_{name}",
            types.ThreadItemUpdatedEvent,
            {"type": "thread.item.updated", "item_id": "itm_1", "update": data | {"type": model.model_fields["type"].default}},
        )


def record_events() -> None:
    page = {"data": [ITEMS["user_message"]], "has_more": True, "after": "itm_1"}
    full = {**FULL_THREAD, "items": page}
    message = ITEMS["assistant_message_full"]
    cases: list[tuple[str, Any, dict[str, Any]]] = [
        ("thread_created", types.ThreadCreatedEvent, {"thread": {**THREAD, "items": {}}}),
        ("thread_created_full", types.ThreadCreatedEvent, {"thread": full}),
        ("thread_updated", types.ThreadUpdatedEvent, {"thread": {**THREAD, "items": {}}}),
        ("thread_updated_full", types.ThreadUpdatedEvent, {"thread": full}),
        ("item_added", types.ThreadItemAddedEvent, {"item": ITEMS["assistant_message"]}),
        ("item_done", types.ThreadItemDoneEvent, {"item": message}),
        ("item_done_user", types.ThreadItemDoneEvent, {"item": ITEMS["user_message_full"]}),
        ("item_removed", types.ThreadItemRemovedEvent, {"item_id": "itm_1"}),
        ("item_replaced", types.ThreadItemReplacedEvent, {"item": ITEMS["widget_full"]}),
        ("stream_options", types.StreamOptionsEvent, {"stream_options": {"allow_cancel": False}}),
        ("progress", types.ProgressUpdateEvent, {"text": "Searching"}),
        ("progress_full", types.ProgressUpdateEvent, {"text": "Searching", "icon": "search"}),
        ("effect", types.ClientEffectEvent, {"name": "confetti"}),
        ("effect_full", types.ClientEffectEvent, {"name": "open", "data": {"n": 1, "s": "x"}}),
        ("error", types.ErrorEvent, {}),
        ("error_full", types.ErrorEvent, {"code": "custom", "message": "No.", "allow_retry": True}),
        *(
            (f"error_{code.name.lower()}", types.ErrorEvent, {"code": code.value, "allow_retry": True})
            for code in ErrorCode
        ),
        ("notice", types.NoticeEvent, {"level": "info", "message": "Hello"}),
        ("notice_warning", types.NoticeEvent, {"level": "warning", "message": "Hm", "title": "T"}),
        ("notice_danger", types.NoticeEvent, {"level": "danger", "message": "[No](https://x.org)"}),
    ]
    for name, model, data in cases:
        outgoing("events", name, model, {"type": model.model_fields["type"].default, **data})
    for name, data in ITEMS.items():
        event = {"type": "thread.item.done", "item": data}
        outgoing("events", f"item_done_{name}_item", types.ThreadItemDoneEvent, event)


def record_threads() -> None:
    outgoing("threads", "metadata", ThreadMetadata, THREAD)
    outgoing("threads", "metadata_full", ThreadMetadata, FULL_THREAD)
    closed = {**THREAD, "status": {"type": "closed", "reason": "Solved"}}
    outgoing("threads", "metadata_closed", ThreadMetadata, closed)
    outgoing("threads", "status_active", types.ActiveStatus, {"type": "active"})
    outgoing("threads", "status_locked", types.LockedStatus, {"type": "locked"})
    outgoing("threads", "status_locked_reason", types.LockedStatus, {"type": "locked", "reason": "x"})
    outgoing("threads", "status_closed", types.ClosedStatus, {"type": "closed"})
    outgoing("threads", "status_closed_reason", types.ClosedStatus, {"type": "closed", "reason": "x"})
    items = {"data": list(ITEMS.values())[:4], "has_more": True, "after": "itm_1"}
    outgoing("threads", "thread", types.Thread, {**THREAD, "items": {}})
    outgoing("threads", "thread_full", types.Thread, {**FULL_THREAD, "items": items})
    outgoing("threads", "page_items_empty", Page[ThreadItem], {}, "Page[ThreadItem]")
    outgoing("threads", "page_items", Page[ThreadItem], items, "Page[ThreadItem]")
    threads = {"data": [{**THREAD, "items": {}}], "has_more": False}
    outgoing("threads", "page_threads", Page[types.Thread], threads, "Page[Thread]")
    naive = ThreadMetadata.model_validate({**THREAD, "created_at": "2026-01-02T03:04:05.678901"})
    add(
        "threads",
        "metadata_naive_time",
        "ThreadMetadata",
        dump(naive),
        {**dump(naive), "created_at": TIME},
    )


def record_small() -> None:
    for name, model, data in [
        ("url", types.URLSource, URL_SOURCE),
        ("url_full", types.URLSource, FULL_URL_SOURCE),
        ("file", types.FileSource, FILE_SOURCE),
        ("file_full", types.FileSource, FULL_FILE_SOURCE),
        ("entity", types.EntitySource, ENTITY_SOURCE),
        ("entity_full", types.EntitySource, FULL_ENTITY_SOURCE),
        ("annotation", types.Annotation, annotation(URL_SOURCE)),
        ("annotation_file", types.Annotation, annotation(FULL_FILE_SOURCE, 0)),
        ("annotation_entity", types.Annotation, annotation(FULL_ENTITY_SOURCE, 3)),
    ]:
        outgoing("sources", name, model, data)

    task = TypeAdapter(types.Task)
    for name, data in TASKS.items():
        outgoing("tasks", name, type(task.validate_python(data)), data)
    for name, data in WORKFLOWS.items():
        outgoing("tasks", name, types.Workflow, data)
    outgoing("tasks", "summary_custom", types.CustomSummary, {"title": "Done", "icon": "check"})
    outgoing("tasks", "summary_duration", types.DurationSummary, {"duration": 3})

    attachment = TypeAdapter(types.Attachment)
    for name, data in ATTACHMENTS.items():
        outgoing("attachments", name, type(attachment.validate_python(data)), data)
    outgoing(
        "attachments",
        "upload_descriptor",
        types.AttachmentUploadDescriptor,
        {"url": "https://files.example.org/a", "method": "POST", "headers": {"a": "b"}},
    )

    question = TypeAdapter(types.StructuredInput)
    for name, data in STRUCTURED_INPUTS.items():
        outgoing("structured_inputs", name, type(question.validate_python(data)), data)
    for name, model, data in [
        ("option", types.StructuredInputMultipleChoiceOption, {"value": "red"}),
        ("answer_empty", types.StructuredInputAnswer, {}),
        ("answer", types.StructuredInputAnswer, ANSWER),
        ("answer_submission_empty", types.StructuredInputAnswerSubmission, {}),
        ("answer_submission", types.StructuredInputAnswerSubmission, ANSWER),
        ("submission_empty", types.StructuredInputSubmission, {}),
        ("submission", types.StructuredInputSubmission, {"answers": {"q1": ANSWER}}),
    ]:
        outgoing("structured_inputs", name, model, data)

    for name, model, data in [
        ("inference_options", types.InferenceOptions, {}),
        ("inference_options_full", types.InferenceOptions, INFERENCE),
        ("tool_choice", types.ToolChoice, {"id": "search"}),
        ("transcription", types.TranscriptionResult, {"text": "Where is my order?"}),
        ("sync_action", types.SyncCustomActionResponse, {}),
        ("sync_action_item", types.SyncCustomActionResponse, {"updated_item": ITEMS["widget"]}),
        ("stream_options", types.StreamOptions, {"allow_cancel": True}),
        ("action_config", actions.ActionConfig, {"type": "order"}),
        *(
            (
                f"action_config_{handler}_{loading}",
                actions.ActionConfig,
                {
                    "type": "order",
                    "payload": {"id": 7},
                    "handler": handler,
                    "loadingBehavior": loading,
                    "streaming": False,
                },
            )
            for handler, loading in [
                ("client", "auto"),
                ("server", "none"),
                ("client", "self"),
                ("server", "container"),
            ]
        ),
    ]:
        outgoing("misc", name, model, data)
    action = actions.Action[str, Any]
    outgoing("misc", "action", action, {"type": "order"}, "Action")
    outgoing("misc", "action_full", action, {"type": "order", "payload": [1, "x"]}, "Action")
    literal = next(arg for arg in get_args(icons.IconName) if get_args(arg))
    for name in sorted(v for v in get_args(literal) if isinstance(v, str)):
        add("misc", f"icon {name}", "IconName", TypeAdapter(icons.IconName).validate_python(name))
    for name in ["lucide:truck", "vendor:acme"]:
        add("misc", f"icon {name}", "IconName", TypeAdapter(icons.IconName).validate_python(name))


# Widgets -------------------------------------------------------------------------------------

THEMED = {"dark": "blue-200", "light": "blue-800"}
ACTION = {"type": "order", "payload": {"id": 7}}
SPACING = {"top": 1, "right": "2px", "bottom": 3, "left": "4px", "x": 5, "y": "6px"}
BORDER = {"size": 1, "color": THEMED, "style": "dashed"}
EDGES = {"top": 1, "right": BORDER, "bottom": {"size": 2}, "left": 0, "x": 3, "y": BORDER}
INNER = [{"type": "Text", "value": "a"}, {"type": "Caption", "value": "b"}]
SIZES = {
    "height": 10,
    "width": "50%",
    "size": 12,
    "minHeight": 1,
    "minWidth": "2rem",
    "minSize": 3,
    "maxHeight": "4rem",
    "maxWidth": 5,
    "maxSize": "6rem",
    "aspectRatio": 1.5,
}
BOX = {
    **SIZES,
    "children": INNER,
    "align": "baseline",
    "justify": "between",
    "wrap": "wrap-reverse",
    "flex": 1,
    "gap": 2,
    "padding": SPACING,
    "margin": 4,
    "border": EDGES,
    "radius": "2xl",
    "background": THEMED,
}
TEXT_LOOK = {
    "color": "secondary",
    "weight": "semibold",
    "textAlign": "center",
    "truncate": True,
    "maxLines": 2,
}
CONTROL = {"variant": "ghost", "size": "3xs", "pill": True, "block": True, "disabled": False}
SERIES = [
    {"type": "bar", "label": "Sold", "dataKey": "sold", "stack": "a", "color": "blue"},
    {"type": "area", "label": "Left", "dataKey": "left", "stack": "a", "color": THEMED, "curveType": "monotone"},
    {"type": "line", "label": "Price", "dataKey": "price", "color": "red-500", "curveType": "stepAfter"},
]

# By name: properties of the minimal case, and those that the full one adds.
WIDGETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Card": (
        {"children": []},
        {
            "asForm": True,
            "children": INNER,
            "background": "surface-elevated",
            "size": "full",
            "padding": "1rem",
            "status": {"text": "New", "favicon": "https://example.org/f.ico", "frame": True},
            "collapsed": False,
            "confirm": {"label": "Yes", "action": ACTION},
            "cancel": {"label": "No", "action": {"type": "cancel", "handler": "client"}},
            "theme": "dark",
        },
    ),
    "ListView": (
        {"children": []},
        {
            "children": [{"type": "ListViewItem", "children": INNER}],
            "limit": "auto",
            "status": {"text": "Found", "icon": "search"},
            "theme": "light",
        },
    ),
    "ListViewItem": ({"children": []}, {"children": INNER, "onClickAction": ACTION, "gap": 2, "align": "end"}),
    "Text": (
        {"value": "a"},
        {
            **TEXT_LOOK,
            "streaming": True,
            "italic": True,
            "lineThrough": True,
            "width": 120.5,
            "size": "xl",
            "minLines": 1,
            "editable": {
                "name": "note",
                "autoFocus": True,
                "autoSelect": True,
                "autoComplete": "off",
                "allowAutofillExtensions": False,
                "pattern": ".+",
                "placeholder": "Note",
                "required": True,
            },
        },
    ),
    "Title": ({"value": "a"}, {**TEXT_LOOK, "size": "5xl"}),
    "Caption": ({"value": "a"}, {**TEXT_LOOK, "size": "lg", "color": THEMED}),
    "Markdown": ({"value": "**a**"}, {"streaming": False}),
    "Badge": ({"label": "New"}, {"color": "discovery", "variant": "outline", "size": "lg", "pill": True}),
    "Box": ({}, {**BOX, "direction": "row"}),
    "Row": ({}, {**BOX, "border": 1, "padding": 2.5}),
    "Col": ({"children": []}, {**BOX, "border": BORDER, "padding": "2px"}),
    "Form": ({}, {**BOX, "direction": "col", "onSubmitAction": ACTION}),
    "Divider": ({}, {"color": "subtle", "size": 1, "spacing": "2px", "flush": True}),
    "Icon": ({"name": "bolt"}, {"color": "success", "size": "3xl"}),
    "Image": (
        {"src": "https://example.org/a.png"},
        {
            **SIZES,
            "alt": "A",
            "fit": "scale-down",
            "position": "bottom right",
            "radius": "100%",
            "frame": True,
            "flush": True,
            "margin": SPACING,
            "background": "surface",
            "flex": "1 1 auto",
        },
    ),
    "Button": (
        {},
        {
            **CONTROL,
            "submit": True,
            "label": "Go",
            "onClickAction": ACTION,
            "iconStart": "play",
            "iconEnd": "vendor:acme",
            "style": "secondary",
            "iconSize": "2xl",
            "color": "caution",
            "uniform": True,
        },
    ),
    "Spacer": ({}, {"minSize": 8}),
    "Select": (
        {"name": "size", "options": []},
        {
            **CONTROL,
            "options": [
                {"value": "m", "label": "M"},
                {"value": "l", "label": "L", "disabled": True, "description": "Large"},
            ],
            "onChangeAction": ACTION,
            "placeholder": "Size",
            "defaultValue": "m",
            "clearable": True,
            "searchable": True,
        },
    ),
    "DatePicker": (
        {"name": "day"},
        {
            **CONTROL,
            "onChangeAction": ACTION,
            "placeholder": "Day",
            "defaultValue": ROUND_TIME,
            "min": "2026-01-01T00:00:00Z",
            "max": "2026-12-31T00:00:00",
            "side": "left",
            "align": "end",
            "clearable": True,
        },
    ),
    "Checkbox": (
        {"name": "ok"},
        {
            "label": "Agree",
            "defaultChecked": True,
            "onChangeAction": ACTION,
            "disabled": True,
            "required": True,
        },
    ),
    "Input": (
        {"name": "mail"},
        {
            "inputType": "email",
            "defaultValue": "a@example.org",
            "required": True,
            "pattern": ".+",
            "placeholder": "Mail",
            "allowAutofillExtensions": True,
            "autoSelect": True,
            "autoFocus": True,
            "disabled": False,
            "variant": "soft",
            "size": "md",
            "gutterSize": "2xs",
            "pill": True,
        },
    ),
    "Label": (
        {"value": "Mail", "fieldName": "mail"},
        {"size": "xs", "weight": "bold", "textAlign": "end", "color": "emphasis"},
    ),
    "RadioGroup": (
        {"name": "size"},
        {
            "options": [{"value": "m", "label": "M"}, {"value": "l", "label": "L", "disabled": True}],
            "ariaLabel": "Size",
            "onChangeAction": ACTION,
            "defaultValue": "m",
            "direction": "col",
            "disabled": False,
            "required": True,
        },
    ),
    "Textarea": (
        {"name": "note"},
        {
            "defaultValue": "a",
            "required": True,
            "pattern": ".+",
            "placeholder": "Note",
            "autoSelect": True,
            "autoFocus": True,
            "disabled": False,
            "variant": "outline",
            "size": "lg",
            "gutterSize": "xl",
            "rows": 3,
            "autoResize": True,
            "maxRows": 9,
            "allowAutofillExtensions": False,
        },
    ),
    "Transition": ({"children": None}, {"children": INNER[0]}),
    "Chart": (
        {"data": [], "series": [], "xAxis": "day"},
        {
            **SIZES,
            "data": [{"day": "Mo", "sold": 3, "left": 1.5, "price": 10}],
            "series": SERIES,
            "xAxis": {"dataKey": "day", "hide": False, "labels": {"Mo": "Monday"}},
            "showYAxis": True,
            "showLegend": False,
            "showTooltip": True,
            "barGap": 1,
            "barCategoryGap": 2,
            "flex": 1,
        },
    ),
}

# What templates make: the official models take any property, and children in any shape.
DYNAMIC = {
    "dynamic_unknown_component": {"type": "Hologram", "key": "k", "id": "h", "depth": 3, "children": INNER},
    "dynamic_unknown_property": {"type": "Text", "value": "a", "glow": {"strength": 2}},
    "dynamic_unknown_token": {"type": "Badge", "label": "a", "color": "ultraviolet"},
    "dynamic_other_shape": {"type": "Text", "value": 5},
}
DYNAMIC_ROOTS = {
    "dynamic_root_single_child": {"type": "Card", "children": {"type": "Text", "value": "a"}},
    "dynamic_root_unknown_property": {
        "type": "ListView",
        "key": "k",
        "id": "i",
        "children": [],
        "sticky": True,
    },
    "dynamic_root_nested": {
        "type": "Card",
        "children": [{"type": "Hologram", "children": [{"type": "Text", "value": "a", "glow": 1}]}],
    },
    "dynamic_root_table": {
        "type": "Card",
        "children": [
            {
                "type": "Table",
                "children": [{"type": "Table.Row", "children": [{"type": "Table.Cell", "colSpan": 2}]}],
            }
        ],
    },
}


def record_widgets() -> None:
    component = TypeAdapter(widgets.WidgetComponent)
    root = TypeAdapter(widgets.WidgetRoot)
    for kind, (minimal, more) in WIDGETS.items():
        model = getattr(widgets, kind)
        outgoing("widgets", f"{kind}", model, {"type": kind, **minimal})
        full = {"type": kind, "key": "k", "id": "i", **minimal, **more}
        outgoing("widgets", f"{kind} full", model, full)
    for token in widgets.RadiusValue.__args__:
        outgoing("widgets", f"radius {token}", widgets.Box, {"type": "Box", "radius": token})
    for token in widgets.CurveType.__args__:
        outgoing("widgets", f"curve {token}", widgets.LineSeries, {"type": "line", "label": None, "dataKey": "a", "curveType": token})
    for series in SERIES:
        model = {"bar": widgets.BarSeries, "area": widgets.AreaSeries, "line": widgets.LineSeries}
        outgoing("widgets", f"series {series['type']}", model[series["type"]], series)
    outgoing("widgets", "Text not editable", widgets.Text, {"type": "Text", "value": "a", "editable": False})
    outgoing("widgets", "ListView limit", widgets.ListView, {"type": "ListView", "children": [], "limit": 3})
    outgoing("widgets", "Basic", widgets.BasicRoot, {"type": "Basic"})
    basic = {"type": "Basic", "id": "i", "children": [{"type": "Card", "children": INNER}, *INNER], "gap": 2}
    outgoing("widgets", "Basic full", widgets.BasicRoot, {**basic, "key": "k"})
    for name, data in DYNAMIC.items():
        value = component.validate_python(data)
        assert isinstance(value, widgets.DynamicWidgetComponent) or name == "dynamic_unknown_property", name
        outgoing("widgets", name, widgets.DynamicWidgetComponent, data)
    for name, data in DYNAMIC_ROOTS.items():
        root.validate_python(data)
        outgoing("widgets", name, widgets.DynamicWidgetRoot, data)
    every = [{"type": k, **m, **f} for k, (m, f) in WIDGETS.items() if k not in ("Card", "ListView")]
    outgoing("widgets", "Card of everything", widgets.Card, {"type": "Card", "children": every})


def record_widgets_js() -> None:
    """What only the element's list has: written by hand from `widgets.d.ts`, no model to ask."""
    source = "@openai/chatkit types/widgets.d.ts"

    def by_hand(name: str, model: str, value: dict[str, Any]) -> None:
        add("widgets_js", name, model, value, source=source)

    cell = {
        "type": "Table.Cell",
        "key": "k",
        "id": "i",
        "children": INNER,
        "width": "50%",
        "padding": SPACING,
        "colSpan": 2,
        "rowSpan": 3,
        "align": "end",
        "vAlign": "center",
        "colSize": "xl",
    }
    row = {"type": "Table.Row", "key": "k", "id": "i", "children": [cell, {"type": "Table.Cell"}], "header": True}
    by_hand("Table", "Table", {"type": "Table"})
    by_hand("Table full", "Table", {"type": "Table", "key": "k", "id": "i", "children": [row]})
    by_hand("Table.Row", "TableRow", {"type": "Table.Row"})
    by_hand("Table.Row full", "TableRow", row)
    by_hand("Table.Cell", "TableCell", {"type": "Table.Cell"})
    by_hand("Table.Cell full", "TableCell", cell)
    by_hand(
        "Basic full",
        "BasicRoot",
        {
            "type": "Basic",
            "key": "k",
            "id": "i",
            "children": [{"type": "Card", "children": []}, {"type": "Basic", "children": []}, *INNER],
            "theme": "dark",
            "direction": "row",
            "gap": 2,
            "padding": SPACING,
            "align": "stretch",
            "justify": "evenly",
        },
    )
    by_hand("Card border", "Card", {"type": "Card", "children": [], "border": BORDER})
    by_hand("Card borders", "Card", {"type": "Card", "children": [], "border": EDGES})
    by_hand("Card border size", "Card", {"type": "Card", "children": [], "border": 1.5})
    by_hand("Box half pixels", "Box", {"type": "Box", "gap": 0.5, "minSize": 1.5})
    by_hand("Button bare action", "Button", {"type": "Button", "onClickAction": {"type": "order"}})
    by_hand("Card table", "Card", {"type": "Card", "children": [{"type": "Table", "children": [row]}]})


# Coverage ------------------------------------------------------------------------------------

# Bases that are never on the wire by themselves, and a class of the SDK's own.
NOT_ON_THE_WIRE = {
    "AttachmentBase",
    "AudioInput",
    "BaseReq",
    "BaseTask",
    "BoxBase",
    "SourceBase",
    "StructuredInputBase",
    "ThreadItemBase",
    "WidgetComponentBase",
}


def check_coverage() -> list[str]:
    problems = []
    models = {
        model
        for module in (types, widgets, actions)
        for _, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, BaseModel) and model.__module__.startswith("chatkit")
    }
    for model in sorted(models, key=lambda model: model.__name__):
        name = model.__name__
        if name in NOT_ON_THE_WIRE:
            continue
        fields: set[str] = set()
        for other, values in seen.items():
            if other is model or other.__name__.startswith(f"{name}["):
                fields |= values
        if not fields:
            problems.append(f"no case for {name}")
            continue
        missing = set(model.model_fields) - fields - {"type"}
        if missing:
            problems.append(f"no case with {name}.{', '.join(sorted(missing))}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail when the files differ")
    check = parser.parse_args().check

    record_requests()
    record_items()
    record_item_updates()
    record_events()
    record_threads()
    record_small()
    record_widgets()
    record_widgets_js()
    if problems := check_coverage():
        print("\n".join(problems), file=sys.stderr)
        return 1

    stale = {path.name for path in OUTPUT.glob("*.json")} - {f"{name}.json" for name in files}
    different = [f"{name} (no longer recorded)" for name in sorted(stale)]
    for name, cases in sorted(files.items()):
        cases.sort(key=lambda case: case["name"])
        # A case a line: a change shows as the line it is.
        lines = ",\n".join(json.dumps(case, ensure_ascii=False, sort_keys=True) for case in cases)
        version = f"openai-chatkit {CHATKIT_VERSION}"
        text = f'{{"recorded_with": "{version}", "cases": [\n{lines}\n]}}\n'
        path = OUTPUT / f"{name}.json"
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                different.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{path.name}: {len(cases)} cases")
    if check and different:
        print("differs from what the official models give: " + ", ".join(different), file=sys.stderr)
        print("run tests/conformance/record_fixtures.py and look at the change", file=sys.stderr)
        return 1
    if not check:
        for name in sorted(stale):
            (OUTPUT / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
