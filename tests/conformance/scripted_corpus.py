"""Requests to servers that say what they are told to say: every event, update and item that there is.

See `scripted.rs` for what a script is.
"""

import base64
import json
from typing import Any

from corpus import INVALID, NOT_FOUND, look, message
from harness import ROOT, Exchange, Session

Steps = list[dict[str, Any]]


def item(name: str, type: str, /, **fields: Any) -> dict[str, Any]:
    return {"id": f"$item:{name}", "thread_id": "$thread", "created_at": "$now", "type": type, **fields}


def done(name: str, type: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "thread.item.done", "item": item(name, type, **fields)}


def added(name: str, type: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "thread.item.added", "item": item(name, type, **fields)}


def replaced(name: str, type: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "thread.item.replaced", "item": item(name, type, **fields)}


def updated(name: str, type: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "thread.item.updated", "item_id": f"$item:{name}", "update": {"type": type, **fields}}


def part(text: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": list(annotations)}


def said(name: str, text: str) -> dict[str, Any]:
    return done(name, "assistant_message", content=[part(text)])


def play(s: Session, *turns: Steps, label: str = "create") -> Exchange:
    return s.send(label, "threads.create", {"input": message(json.dumps(turns))})


def play_more(s: Session, thread_id: str, *turns: Steps, label: str = "add", **more: Any) -> Exchange:
    params = {"thread_id": thread_id, "input": message(json.dumps(turns))}
    return s.send(label, "threads.add_user_message", params, **more)


def act(
    s: Session, thread_id: str, steps: Any, label: str, item_id: str | None = None, sync: bool = False, **more: Any
) -> None:
    params = {"thread_id": thread_id, "action": {"type": "play", "payload": steps}}
    if item_id:
        params["item_id"] = item_id
    s.send(label, f"threads.{'sync_' if sync else ''}custom_action", params, **more)


URL = {"type": "url", "url": "https://example.com/a", "title": "A", "attribution": "Example", "group": "Pages"}
FILE = {"type": "file", "filename": "a.pdf", "title": "A file", "description": "About it", "timestamp": "2026-01-02"}
ENTITY = {"type": "entity", "id": "e1", "title": "Ada", "icon": "user", "label": "Person", "inline_label": "Ada"} | {
    "interactive": True,
    "data": {"k": "v"},
}


def a_message_in_parts(s: Session) -> None:
    note = {"type": "annotation", "source": URL, "index": 5}
    other = {"type": "annotation", "source": FILE}
    name = "m"
    kind = "assistant_message.content_part"
    steps = [
        added(name, "assistant_message", content=[]),
        updated(name, f"{kind}.added", content_index=0, content=part("")),
        updated(name, f"{kind}.text_delta", content_index=0, delta="Hello"),
        updated(name, f"{kind}.annotation_added", content_index=0, annotation_index=0, annotation=note),
        updated(name, f"{kind}.text_delta", content_index=0, delta=" 👋🏽 there"),
        updated(name, f"{kind}.done", content_index=0, content=part("Hello 👋🏽 there", note)),
        updated(name, f"{kind}.added", content_index=1, content=part("")),
        updated(name, f"{kind}.text_delta", content_index=1, delta="A second part"),
        updated(name, f"{kind}.annotation_added", content_index=1, annotation_index=0, annotation=other),
        updated(name, f"{kind}.done", content_index=1, content=part("A second part", other)),
        done(name, "assistant_message", content=[part("Hello 👋🏽 there", note), part("A second part", other)]),
    ]
    look(s, play(s, steps).thread_id)


CARD = {
    "type": "Card",
    "id": "card",
    "size": "sm",
    "status": {"text": "Draft", "icon": "sparkle"},
    "confirm": {"label": "Send", "action": {"type": "send", "payload": {"n": 1}}},
    "children": [
        {"type": "Title", "value": "Report"},
        {"type": "Text", "id": "text", "value": "One", "streaming": True},
        {"type": "Row", "gap": 2, "children": [{"type": "Badge", "label": "New", "color": "info"}]},
        {"type": "Button", "id": "go", "label": "Go", "onClickAction": {"type": "go", "handler": "client"}},
    ],
}


def every_item(s: Session) -> None:
    tasks = [
        {"type": "custom", "title": "Custom", "icon": "bolt", "content": "Text", "status_indicator": "complete"},
        {"type": "web_search", "title": "Search", "title_query": "q", "queries": ["a", "b"], "sources": [URL]},
        {"type": "thought", "title": "Thought", "content": "Hm", "status_indicator": "loading"},
        {"type": "file", "title": "File", "sources": [FILE]},
        {"type": "image", "title": "Image"},
    ]
    question = {"type": "freeform", "id": "q", "question": "Why?", "answer": {"values": ["So"], "skipped": False}}
    entity = {"type": "annotation", "source": ENTITY, "index": 3}
    summary = {"title": "Done", "icon": "check"}
    called = {"call_id": "c1", "name": "tool", "arguments": {"a": [1]}}
    steps = [
        said("message", "Text"),
        done("entity", "assistant_message", content=[part("Ada", entity)]),
        done("widget", "widget", widget=CARD, copy_text="A report"),
        done("image", "generated_image", image={"id": "img_1", "url": "https://example.com/i.png"}),
        done("no image", "generated_image"),
        *(done(f"task {task['type']}", "task", task=task) for task in tasks),
        done("workflow", "workflow", workflow={"type": "custom", "tasks": tasks, "summary": summary, "expanded": True}),
        done("reasoning", "workflow", workflow={"type": "reasoning", "tasks": tasks[2:3], "summary": {"duration": 7}}),
        done("call", "client_tool_call", **called, status="completed", output={"b": None}),
        done("question", "structured_input", status="answered", inputs=[question]),
        done("hidden", "hidden_context_item", content={"secret": True}),
        done("sdk hidden", "sdk_hidden_context", content="secret"),
        done("end", "end_of_turn"),
    ]
    thread_id = play(s, steps).thread_id
    look(s, thread_id)
    s.send("newest first", "items.list", {"thread_id": thread_id, "order": "desc", "limit": 50})
    after = None
    for page in range(1, 6):
        params = {"thread_id": thread_id, "order": "asc", "limit": 4} | ({"after": after} if after else {})
        answer = s.send(f"page {page}", "items.list", params).body
        after = answer.get("after")
        if not answer["has_more"]:
            break


def a_widget_that_grows(s: Session) -> None:
    grown = json.loads(json.dumps(CARD))
    grown["children"][1]["value"] = "One, two"
    badge = {"type": "Button", "id": "go", "label": "Gone", "disabled": True}
    last = {"type": "Card", "id": "card", "children": [{"type": "Markdown", "value": "**All**"}]}
    steps = [
        added("w", "widget", widget=CARD),
        updated("w", "widget.streaming_text.value_delta", component_id="text", delta=", two", done=False),
        updated("w", "widget.component.updated", component_id="go", component=badge),
        updated("w", "widget.root.updated", widget=last),
        done("w", "widget", widget=last),
    ]
    look(s, play(s, steps).thread_id)


def every_widget_component(s: Session) -> None:
    fixtures = json.loads((ROOT / "tests/fixtures/protocol/widgets.json").read_text())
    steps = []
    for case in fixtures["cases"]:
        component = case["json"]
        # Series are parts of charts, and no components. Properties from the future are kept by Parlor, and lost by the
        # reference.
        if case["model"].endswith("Series") or case["name"].endswith("unknown_property"):
            continue
        if component["type"] == "ListViewItem":
            component = {"type": "ListView", "children": [component]}
        elif component["type"] not in ("Card", "ListView", "Basic"):
            component = {"type": "Card", "children": [component]}
        steps.append(done(case["name"], "widget", widget=component))
    thread_id = play(s, steps).thread_id
    s.send("all", "items.list", {"thread_id": thread_id, "order": "asc", "limit": 100})


def a_workflow_that_grows(s: Session) -> None:
    first = {"type": "custom", "title": "Look", "status_indicator": "loading"}
    looked = {"type": "custom", "title": "Looked", "status_indicator": "complete"}
    second = {"type": "thought", "content": "So it is.", "status_indicator": "none"}
    whole = {"type": "custom", "tasks": [looked, second], "expanded": False, "summary": {"duration": 2}}
    steps = [
        added("w", "workflow", workflow={"type": "custom", "tasks": [], "expanded": True}),
        updated("w", "workflow.task.added", task_index=0, task=first),
        updated("w", "workflow.task.updated", task_index=0, task=looked),
        updated("w", "workflow.task.added", task_index=1, task=second),
        done("w", "workflow", workflow=whole),
    ]
    look(s, play(s, steps).thread_id)


def an_image_that_comes(s: Session) -> None:
    image = {"id": "img_1", "url": "https://example.com/i.png"}
    steps = [
        added("i", "generated_image"),
        updated("i", "generated_image.updated", image=image, progress=0.5),
        updated("i", "generated_image.updated", image=image),
        done("i", "generated_image", image=image),
    ]
    look(s, play(s, steps).thread_id)


def what_is_said_beside(s: Session) -> None:
    steps = [
        {"type": "progress_update", "icon": "search", "text": "Searching"},
        {"type": "progress_update", "text": "Still searching"},
        {"type": "notice", "level": "warning", "message": "Look **out**", "title": "Attention"},
        {"type": "notice", "level": "info", "message": "Nothing"},
        {"type": "client_effect", "name": "highlight", "data": {"selector": "#a"}},
        {"type": "client_effect", "name": "plain"},
        {"type": "stream_options", "stream_options": {"allow_cancel": False}},
        said("m", "Done"),
    ]
    look(s, play(s, steps).thread_id)


def items_that_go_and_change(s: Session) -> None:
    steps = [
        said("a", "First"),
        said("b", "Second"),
        {"type": "thread.item.removed", "item_id": "$item:a"},
        replaced("b", "assistant_message", content=[part("Second, better")]),
        added("c", "assistant_message", content=[]),
        {"type": "thread.item.removed", "item_id": "$item:c"},
    ]
    thread_id = play(s, steps).thread_id
    look(s, thread_id)
    later = [replaced("b", "assistant_message", content=[part("Second, best")]), said("d", "Third")]
    play_more(s, thread_id, later, label="later")
    look(s, thread_id, "later still")


def a_thread_that_changes(s: Session) -> None:
    steps = [
        {"change": {"title": "A title"}},
        {"type": "progress_update", "text": "Working"},
        {"change": {"metadata": {"secret": 1}, "allowed_image_domains": ["example.com"]}},
        said("m", "Done"),
        {"change": {"title": "A better title"}},
    ]
    thread_id = play(s, steps).thread_id
    look(s, thread_id)
    s.send("the list", "threads.list", {})
    s.send("rename", "threads.update", {"thread_id": thread_id, "title": "The user's"})
    play_more(s, thread_id, [said("n", "More")])
    look(s, thread_id, "the user's title stays")


def threads_that_take_no_messages(s: Session) -> None:
    for state in ("locked", "closed"):
        steps = [said(f"m {state}", "The last word"), {"change": {"status": {"type": state, "reason": "Enough"}}}]
        created = play(s, steps, label=f"create {state}")
        thread_id, user = created.thread_id, created.items("user_message")[0]["id"]
        look(s, thread_id, f"{state}")
        refused = {"refused": (409, f"thread_{state}")}
        play_more(s, thread_id, [said("n", "No")], label=f"write to {state}", **refused)
        retry = {"thread_id": thread_id, "item_id": user}
        s.send(f"retry in {state}", "threads.retry_after_item", retry, **refused)
        look(s, thread_id, f"{state}, unchanged")


def failures(s: Session) -> None:
    begun = [
        added("m", "assistant_message", content=[]),
        updated("m", "assistant_message.content_part.added", content_index=0, content=part("")),
        updated("m", "assistant_message.content_part.text_delta", content_index=0, delta="Half"),
    ]
    told = play(s, [*begun, {"fail": {"message": "Out of paper", "allow_retry": True}}], label="fail")
    look(s, told.thread_id, "after the failure")
    play(s, [{"fail": {"message": "For good", "allow_retry": False}}], label="fail for good")
    crashed = play(s, [said("n", "So far"), {"crash": "a secret"}], label="crash")
    look(s, crashed.thread_id, "after the crash")
    left = play(s, begun, label="leave it unfinished")
    look(s, left.thread_id, "what was left unfinished")


def mistakes_of_the_responder(s: Session) -> None:
    play(s, [said("a", "Once"), said("a", "Twice")], label="an id used twice")
    lost = updated("b", "assistant_message.content_part.text_delta", content_index=0, delta="x")
    play(s, [said("c", "Before"), lost], label="an update of nothing")
    wrong = updated("e", "workflow.task.added", task_index=0, task={"type": "image"})
    play(s, [added("e", "assistant_message", content=[]), wrong], label="an update of another kind")


CALL = done("call", "client_tool_call", call_id="c1", name="tool", arguments={"q": "x"}, status="pending")


def client_tools(s: Session) -> None:
    thread_id = play(s, [said("m", "Let me see"), CALL], [said("n", "I see")]).thread_id
    look(s, thread_id, "pending")
    output = {"thread_id": thread_id, "result": {"answer": [1, None, "x"]}}
    s.send("output", "threads.add_client_tool_output", output)
    look(s, thread_id, "completed")
    s.send("output again", "threads.add_client_tool_output", output, refused=INVALID)
    for number, result in enumerate(("text", None, 3.5, False, [])):
        called = {"call_id": f"c{number}", "name": "t", "arguments": {}}
        call = done(f"call {number}", "client_tool_call", **called, status="pending")
        play_more(s, thread_id, [call], [said(f"after {number}", "And so")], label=f"call {number}")
        params = {"thread_id": thread_id, "result": result}
        s.send(f"output {number}", "threads.add_client_tool_output", params)
    s.send("all", "items.list", {"thread_id": thread_id, "order": "asc", "limit": 100})


def a_client_tool_left_pending(s: Session) -> None:
    thread_id = play(s, [CALL]).thread_id
    play_more(s, thread_id, [said("m", "Never mind")])
    look(s, thread_id)
    params = {"thread_id": thread_id, "result": 1}
    s.send("output too late", "threads.add_client_tool_output", params, refused=INVALID)


def a_client_tool_and_more(s: Session) -> None:
    thread_id = play(s, [CALL, done("end", "end_of_turn")], [said("m", "Thanks")]).thread_id
    s.send("output", "threads.add_client_tool_output", {"thread_id": thread_id, "result": 1})
    look(s, thread_id)


def questions(name: str) -> dict[str, Any]:
    options = [{"value": "red"}, {"value": "blue"}]
    inputs = [
        {"type": "multiple_choice", "id": "one", "question": "Which?", "options": options, "multiple": False},
        {"type": "multiple_choice", "id": "many", "question": "Which ones?", "options": options, "multiple": True},
        {"type": "freeform", "id": "free", "question": "Why?", "description": "In a word"},
    ]
    return done(name, "structured_input", status="pending", inputs=inputs)


def structured_input(s: Session) -> None:
    def answer(label: str, question: Exchange, input: dict[str, Any], **more: Any) -> None:
        item_id = question.items("structured_input")[0]["id"]
        params = {"thread_id": thread_id, "item_id": item_id, "input": input}
        s.send(label, "threads.add_structured_input", params, **more)

    asked = play(s, [questions("q1")], [said("a1", "Thanks")])
    thread_id = asked.thread_id
    all_of_it = {
        "one": {"values": ["red", "blue"]},
        "many": {"values": ["red", "blue", "something else"]},
        "free": {"values": ["because"]},
        "unknown": {"values": ["x"]},
    }
    answer("answers", asked, {"status": "answered", "answers": all_of_it})
    look(s, thread_id, "answered")
    answer("answers again", asked, {"status": "answered", "answers": all_of_it}, refused=INVALID)
    asked = play_more(s, thread_id, [questions("q2")], [said("a2", "Never mind")], label="ask again")
    answer("skipped", asked, {"status": "skipped", "answers": {}})
    asked = play_more(s, thread_id, [questions("q3")], [said("a3", "Thanks")], label="ask a third time")
    some = {"one": {"values": [], "skipped": True}, "free": {"values": []}}
    answer("some of it", asked, {"answers": some})
    asked = play_more(s, thread_id, [questions("q4")], label="ask a fourth time")
    answer("no status, no answers", asked, {})
    asked = play_more(s, thread_id, [questions("q5")], label="ask a fifth time")
    answer("unknown status", asked, {"status": "lost"}, refused=INVALID)
    play_more(s, thread_id, [said("a5", "Anyway")], label="go on without an answer")
    look(s, thread_id, "all")


def actions(s: Session) -> None:
    shown = play(s, [done("w", "widget", widget=CARD), said("m", "There")])
    thread_id, widget = shown.thread_id, shown.items("widget")[0]["id"]
    answer = shown.items("assistant_message")[0]["id"]
    other = {"type": "Card", "children": [{"type": "Text", "value": "Sent"}]}
    steps = [replaced("w", "widget", widget=other), said("n", "Sent it")]
    act(s, thread_id, steps, "an action of a widget", widget)
    act(s, thread_id, [said("o", "Hello page")], "an action of the page")
    act(s, thread_id, [{"type": "client_effect", "name": "close"}], "an action without an item")
    act(s, thread_id, [{"fail": {"message": "No", "allow_retry": False}}], "an action that fails", widget)
    act(s, thread_id, [said("p", "?")], "an action of a message", answer, refused=INVALID)
    act(s, thread_id, [said("q", "?")], "an action of nothing", "itm_unknown", refused=NOT_FOUND)
    look(s, thread_id, "after the actions")
    again = {"type": "Card", "children": [{"type": "Text", "value": "Again"}]}
    update = {"updated_item": item("w", "widget", widget=again)}
    act(s, thread_id, update, "a sync action", widget, sync=True)
    act(s, thread_id, {}, "a sync action that changes nothing", widget, sync=True)
    act(s, thread_id, {}, "a sync action of the page", sync=True)
    act(s, thread_id, {}, "a sync action of a message", answer, sync=True, refused=INVALID)
    look(s, thread_id, "after the sync actions")


def dictation(s: Session) -> None:
    audio = base64.b64encode(bytes(range(256))).decode()
    s.send("webm", "input.transcribe", {"audio_base64": audio, "mime_type": "audio/webm;codecs=opus"})
    s.send("empty", "input.transcribe", {"audio_base64": "", "mime_type": "audio/mp4"})
    s.send("not base64", "input.transcribe", {"audio_base64": "?", "mime_type": "audio/mp4"}, refused=INVALID)


def retries(s: Session) -> None:
    steps = [done("h", "hidden_context_item", content="x"), said("m", "First"), done("w", "widget", widget=CARD), CALL]
    first = play(s, steps)
    thread_id, user = first.thread_id, first.items("user_message")[0]["id"]
    retry = {"thread_id": thread_id, "item_id": user}
    s.send("retry", "threads.retry_after_item", retry)
    look(s, thread_id, "after the retry")
    play_more(s, thread_id, [said("n", "Second")])
    s.send("retry the first", "threads.retry_after_item", retry)
    look(s, thread_id, "after the retry of the first")
    params = {"thread_id": thread_id, "item_id": "itm_unknown"}
    s.send("of nothing", "threads.retry_after_item", params, refused=NOT_FOUND)
    other = play(s, [said("o", "Other")], label="create another")
    params = {"thread_id": thread_id, "item_id": other.items("user_message")[0]["id"]}
    s.send("of another thread", "threads.retry_after_item", params, refused=NOT_FOUND)


CASES = [
    a_message_in_parts,
    every_item,
    a_widget_that_grows,
    every_widget_component,
    a_workflow_that_grows,
    an_image_that_comes,
    what_is_said_beside,
    items_that_go_and_change,
    a_thread_that_changes,
    threads_that_take_no_messages,
    failures,
    mistakes_of_the_responder,
    client_tools,
    a_client_tool_left_pending,
    a_client_tool_and_more,
    structured_input,
    actions,
    dictation,
    retries,
]
