"""The requests: every operation of the protocol in valid and invalid forms.

A case is a function of a session and runs with a user of its own. It may only use what both servers answer. `refused`
is what Parlor answers to a request that it does not accept.
"""

import base64
import json
from typing import Any

from harness import Exchange, Session

NOT_FOUND = (404, "not_found")
INVALID = (422, "invalid_field")
NOT_ENABLED = (422, "not_enabled")


def message(text: str, **more: Any) -> dict[str, Any]:
    """A user's message."""
    plain = {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}}
    return plain | more


def create(s: Session, text: str, label: str = "create") -> Exchange:
    return s.send(label, "threads.create", {"input": message(text)})


def add(s: Session, thread_id: str, text: str, label: str = "add", **more: Any) -> Exchange:
    params = {"thread_id": thread_id, "input": message(text)}
    return s.send(label, "threads.add_user_message", params, **more)


def look(s: Session, thread_id: str, label: str = "look", **more: Any) -> Exchange:
    return s.send(label, "threads.get_by_id", {"thread_id": thread_id}, **more)


# Conversations.


def a_conversation(s: Session) -> None:
    thread_id = create(s, "Hello").thread_id
    look(s, thread_id, "after one turn")
    add(s, thread_id, "How are you?")
    look(s, thread_id, "after two turns")
    s.send("oldest first", "items.list", {"thread_id": thread_id, "order": "asc"})
    s.send("newest first", "items.list", {"thread_id": thread_id, "order": "desc"})
    s.send("default order", "items.list", {"thread_id": thread_id})
    s.send("the list", "threads.list", {})


def a_message_under_the_name_of_published_samples(s: Session) -> None:
    thread_id = create(s, "Hello").thread_id
    s.send("run", "threads.run", {"thread_id": thread_id, "input": message("Again")})
    look(s, thread_id)


def messages_of_every_form(s: Session) -> None:
    tag = {"type": "input_tag", "id": "tag_1", "text": "Ada", "data": {"id": 7}, "group": "People", "interactive": True}
    plain_tag = {"type": "input_tag", "id": "tag_2", "text": "Bob", "data": {}}
    text = {"type": "input_text", "text": "Who is "}
    several = {"input": message("", content=[text, tag, plain_tag])}
    thread_id = s.send("text and tags", "threads.create", several).thread_id
    quoted = {"thread_id": thread_id, "input": message("Explain", quoted_text="a part of the page")}
    s.send("quoted text", "threads.add_user_message", quoted)
    options = {"model": "other", "tool_choice": {"id": "search"}}
    chosen = {"thread_id": thread_id, "input": message("Choose", inference_options=options)}
    s.send("inference options", "threads.add_user_message", chosen)
    add(s, thread_id, "Grüße 👋🏽 \u202eabc\u202c — 漢字, \\n, <b>&amp;</b>", "all kinds of characters")
    noted = {"type": "threads.add_user_message", "metadata": {"any": {"thing": [1, None]}}}
    noted["params"] = {"thread_id": thread_id, "input": message("Hi")}
    s.send("metadata", "threads.add_user_message", raw=json.dumps(noted).encode())
    look(s, thread_id)


def pages_of_items(s: Session) -> None:
    thread_id = create(s, "Turn 1").thread_id
    for turn in range(2, 12):
        add(s, thread_id, f"Turn {turn}", f"turn {turn}")
    look(s, thread_id, "the first page with the thread")
    for order in ("asc", "desc"):
        after = None
        for page in range(1, 6):
            params = {"thread_id": thread_id, "limit": 9, "order": order} | ({"after": after} if after else {})
            answer = s.send(f"{order}, page {page}", "items.list", params).body
            if not answer["has_more"]:
                break
            after = answer["after"]
    s.send("no limit", "items.list", {"thread_id": thread_id, "order": "asc"})
    s.send("limit 0", "items.list", {"thread_id": thread_id, "limit": 0})
    s.send("a huge limit", "items.list", {"thread_id": thread_id, "limit": 100})
    s.send("a limit below 0", "items.list", {"thread_id": thread_id, "limit": -1}, refused=INVALID)
    unknown = {"thread_id": thread_id, "limit": 3, "after": "msg_unknown"}
    s.send("unknown cursor", "items.list", unknown, refused=NOT_FOUND)


def pages_of_threads(s: Session) -> None:
    s.send("none yet", "threads.list", {})
    for number in range(1, 6):
        create(s, f"Thread {number}", f"create {number}")
    for order in ("asc", "desc"):
        after = None
        for page in range(1, 5):
            params = {"limit": 2, "order": order} | ({"after": after} if after else {})
            answer = s.send(f"{order}, page {page}", "threads.list", params).body
            if not answer["has_more"]:
                break
            after = answer["after"]
    s.send("default order", "threads.list", {"limit": 3})
    s.send("limit null", "threads.list", {"limit": None, "after": None})
    s.send("unknown cursor", "threads.list", {"after": "thr_unknown"}, refused=NOT_FOUND)


# Answering again.


def retries(s: Session) -> None:
    first = create(s, "First")
    thread_id, user = first.thread_id, first.items("user_message")[0]["id"]
    s.send("retry the last", "threads.retry_after_item", {"thread_id": thread_id, "item_id": user})
    look(s, thread_id, "after one retry")
    add(s, thread_id, "Second")
    s.send("retry the first", "threads.retry_after_item", {"thread_id": thread_id, "item_id": user})
    look(s, thread_id, "after a retry in the middle")
    answer = look(s, thread_id, "which answer").body["items"]["data"][-1]["id"]
    params = {"thread_id": thread_id, "item_id": answer}
    s.send("an answer", "threads.retry_after_item", params, refused=INVALID)
    params = {"thread_id": thread_id, "item_id": "msg_unknown"}
    s.send("unknown item", "threads.retry_after_item", params, refused=NOT_FOUND)
    params = {"thread_id": "thr_unknown", "item_id": user}
    s.send("unknown thread", "threads.retry_after_item", params, refused=NOT_FOUND)
    look(s, thread_id, "nothing has changed")


def a_retry_that_fails(s: Session) -> None:
    first = create(s, "First")
    thread_id, user = first.thread_id, first.items("user_message")[0]["id"]
    s.script({"steps": [{"step": "status", "status": 400}]})
    s.send("retry", "threads.retry_after_item", {"thread_id": thread_id, "item_id": user})
    look(s, thread_id)


# Threads.


def titles(s: Session) -> None:
    thread_id = create(s, "Hello").thread_id
    s.send("rename", "threads.update", {"thread_id": thread_id, "title": "Kettles"})
    look(s, thread_id, "renamed")
    s.send("the list", "threads.list", {})
    s.send("white space", "threads.update", {"thread_id": thread_id, "title": "  Kettles and pots "})
    s.send("empty", "threads.update", {"thread_id": thread_id, "title": ""}, refused=INVALID)
    s.send("too long", "threads.update", {"thread_id": thread_id, "title": "x" * 300}, refused=INVALID)
    s.send("null", "threads.update", {"thread_id": thread_id, "title": None}, refused=INVALID)
    s.send("missing", "threads.update", {"thread_id": thread_id}, refused=INVALID)
    s.send("unknown thread", "threads.update", {"thread_id": "thr_unknown", "title": "x"}, refused=NOT_FOUND)
    add(s, thread_id, "More")
    look(s, thread_id, "the title stays")


def deletions(s: Session) -> None:
    thread_id = create(s, "Hello").thread_id
    other = create(s, "Another", "create another").thread_id
    s.send("delete", "threads.delete", {"thread_id": thread_id})
    look(s, thread_id, "look for it", refused=NOT_FOUND)
    s.send("its items", "items.list", {"thread_id": thread_id}, refused=NOT_FOUND)
    add(s, thread_id, "Hello?", "write to it", refused=NOT_FOUND)
    s.send("delete again", "threads.delete", {"thread_id": thread_id}, refused=NOT_FOUND)
    s.send("the list", "threads.list", {})
    look(s, other, "the other one")


def threads_that_nobody_knows(s: Session) -> None:
    unknown = {"thread_id": "thr_unknown"}
    look(s, "thr_unknown", refused=NOT_FOUND)
    s.send("items", "items.list", unknown, refused=NOT_FOUND)
    s.send("delete", "threads.delete", unknown, refused=NOT_FOUND)
    add(s, "thr_unknown", "Hello", refused=NOT_FOUND)
    look(s, "", "an empty id", refused=NOT_FOUND)
    look(s, "../%00'; --", "a hostile id", refused=NOT_FOUND)


def threads_of_somebody_else(s: Session) -> None:
    first = create(s, "Mine")
    thread_id, user = first.thread_id, first.items("user_message")[0]["id"]
    thief = {"user": "somebody else", "refused": NOT_FOUND}
    look(s, thread_id, "theirs", **thief)
    s.send("items", "items.list", {"thread_id": thread_id}, **thief)
    add(s, thread_id, "Let me in", **thief)
    s.send("rename", "threads.update", {"thread_id": thread_id, "title": "Stolen"}, **thief)
    s.send("delete", "threads.delete", {"thread_id": thread_id}, **thief)
    s.send("retry", "threads.retry_after_item", {"thread_id": thread_id, "item_id": user}, **thief)
    judged = {"thread_id": thread_id, "item_ids": [user], "kind": "negative"}
    s.send("feedback", "items.feedback", judged, **thief)
    s.send("their list", "threads.list", {}, user="somebody else")
    look(s, thread_id, "untouched")


# Items.


def feedback(s: Session) -> None:
    first = create(s, "Hello")
    thread_id, answer = first.thread_id, first.items("assistant_message")[0]["id"]

    def judge(label: str, kind: str, items: list[str], thread: str = thread_id, **more: Any) -> None:
        s.send(label, "items.feedback", {"thread_id": thread, "item_ids": items, "kind": kind}, **more)

    judge("positive", "positive", [answer])
    judge("negative", "negative", [answer])
    judge("no items", "positive", [])
    judge("unknown kind", "meh", [answer], refused=INVALID)
    judge("unknown item", "positive", ["msg_unknown"], refused=NOT_FOUND)
    judge("unknown thread", "positive", [answer], "thr_unknown", refused=NOT_FOUND)
    look(s, thread_id)


# Attachments.

# The smallest PNG: one pixel.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def upload(s: Session, name: str, mime_type: str, data: bytes, label: str = "create") -> str:
    """Announces a file and sends its bytes; gives its id."""
    file = {"name": name, "size": len(data), "mime_type": mime_type}
    announced = s.send(label, "attachments.create", file).body
    s.upload(announced["upload_descriptor"], data)
    return announced["id"]


def attachments(s: Session) -> None:
    files = [upload(s, "pixel.png", "image/png", PIXEL), upload(s, "a.png", "image/png", PIXEL, "create another")]
    sent = {"input": message("See the images", attachments=files)}
    thread_id = s.send("a message with two", "threads.create", sent).thread_id
    look(s, thread_id)
    s.send("items", "items.list", {"thread_id": thread_id})
    unsent = upload(s, "notes.txt", "text/plain", b"Hello", "create a text")
    s.send("delete", "attachments.delete", {"attachment_id": unsent})
    s.send("delete again", "attachments.delete", {"attachment_id": unsent}, refused=NOT_FOUND)
    s.send("delete the thread", "threads.delete", {"thread_id": thread_id})


def attachments_that_cannot_be(s: Session) -> None:
    def refuse(label: str, refused: tuple[int, str], **change: Any) -> None:
        file = {"name": "a.txt", "size": 10, "mime_type": "text/plain"} | change
        file = {key: value for key, value in file.items() if value is not None}
        s.send(label, "attachments.create", file, refused=refused)

    refuse("without a size", INVALID, size=None)
    refuse("a size below 0", INVALID, size=-1)
    refuse("an empty file", INVALID, size=0)
    refuse("a huge file", (413, "too_large"), size=10**12)
    refuse("a program", (415, "unsupported_type"), mime_type="application/x-msdownload")
    s.send("delete an unknown one", "attachments.delete", {"attachment_id": "atc_unknown"}, refused=NOT_FOUND)

    def send(label: str, ids: list[str], refused: tuple[int, str], **more: Any) -> None:
        sent = {"input": message("See the file", attachments=ids)}
        s.send(label, "threads.create", sent, refused=refused, **more)

    send("a message with an unknown one", ["atc_unknown"], NOT_FOUND)
    theirs = upload(s, "theirs.txt", "text/plain", b"Hello")
    thief = {"user": f"{s.name}-thief"}
    send("a message with somebody else's", [theirs], NOT_FOUND, **thief)
    s.send("delete somebody else's", "attachments.delete", {"attachment_id": theirs}, refused=NOT_FOUND, **thief)
    s.send("nothing was left behind", "threads.list", {})


# Not configured on either server.


def dictation(s: Session) -> None:
    audio = base64.b64encode(b"not really audio").decode()
    params = {"audio_base64": audio, "mime_type": "audio/webm;codecs=opus"}
    s.send("transcribe", "input.transcribe", params, refused=NOT_ENABLED)
    s.send("not base64", "input.transcribe", params | {"audio_base64": "?"}, refused=INVALID)
    s.send("without a type", "input.transcribe", {"audio_base64": audio}, refused=INVALID)


def actions(s: Session) -> None:
    first = create(s, "Hello")
    thread_id, answer = first.thread_id, first.items("assistant_message")[0]["id"]
    action = {"type": "press", "payload": {"button": 1}}
    for name in ("custom", "sync_custom"):
        operation = f"threads.{name}_action"
        refusal = {"refused": (422, "refused")} if name == "sync_custom" else {}
        s.send(f"{name}, nothing handles it", operation, {"thread_id": thread_id, "action": action}, **refusal)
        on_answer = {"thread_id": thread_id, "item_id": answer, "action": action}
        s.send(f"{name}, not a widget", operation, on_answer, refused=INVALID)
        on_nothing = {"thread_id": thread_id, "item_id": "msg_unknown", "action": action}
        s.send(f"{name}, unknown item", operation, on_nothing, refused=NOT_FOUND)
        nowhere = {"thread_id": "thr_unknown", "action": action}
        s.send(f"{name}, unknown thread", operation, nowhere, refused=NOT_FOUND)
        s.send(f"{name}, no action", operation, {"thread_id": thread_id}, refused=INVALID)
    look(s, thread_id)


def answers_to_nothing(s: Session) -> None:
    first = create(s, "Hello")
    thread_id, answer = first.thread_id, first.items("assistant_message")[0]["id"]
    output = {"thread_id": thread_id, "result": {"ok": True}}
    s.send("no tool call", "threads.add_client_tool_output", output, refused=INVALID)
    nowhere = {"thread_id": "thr_unknown", "result": 1}
    s.send("tool, unknown thread", "threads.add_client_tool_output", nowhere, refused=NOT_FOUND)
    given = {"status": "answered", "answers": {"q": {"values": ["a"]}}}
    params = {"thread_id": thread_id, "item_id": answer, "input": given}
    s.send("not a question", "threads.add_structured_input", params, refused=NOT_FOUND)
    params["item_id"] = "sti_unknown"
    s.send("unknown question", "threads.add_structured_input", params, refused=NOT_FOUND)
    params["thread_id"] = "thr_unknown"
    s.send("question, unknown thread", "threads.add_structured_input", params, refused=NOT_FOUND)
    look(s, thread_id)


# What is no request at all.


def broken_requests(s: Session) -> None:
    s.send("nothing", "none", raw=b"", refused=(400, "malformed_json"))
    s.send("not JSON", "none", raw=b"{", refused=(400, "malformed_json"))
    s.send("not UTF-8", "none", raw=b'{"type":"\xff"}', refused=(400, "malformed_json"))
    s.send("deeply nested", "none", raw=b"[" * 5000, refused=(400, "not_a_request"))
    deep = b'{"type":"threads.list","params":{},"metadata":{"x":' + b"[" * 5000 + b"]" * 5000 + b"}}"
    s.send("deeply nested metadata", "none", raw=deep, refused=(400, "malformed_json"))
    s.send("a list", "none", raw=b"[]", refused=(400, "not_a_request"))
    s.send("no type", "none", raw=b'{"params":{}}', refused=(400, "not_a_request"))
    s.send("a type that is a number", "none", raw=b'{"type":1,"params":{}}', refused=(400, "not_a_request"))
    s.send("unknown operation", "threads.explode", {}, refused=(422, "unknown_operation"))
    s.send("no params", "none", raw=b'{"type":"threads.get_by_id"}', refused=INVALID)
    s.send("params null", "none", raw=b'{"type":"threads.get_by_id","params":null}', refused=INVALID)
    s.send("no thread id", "threads.get_by_id", {}, refused=INVALID)
    s.send("a thread id that is a number", "threads.get_by_id", {"thread_id": 1}, refused=INVALID)
    s.send("unknown order", "threads.list", {"order": "sideways"}, refused=INVALID)
    s.send("a limit that is a word", "threads.list", {"limit": "many"}, refused=INVALID)


def broken_messages(s: Session) -> None:
    def refuse(label: str, input: Any) -> None:
        s.send(label, "threads.create", {"input": input}, refused=INVALID)

    refuse("null", None)
    refuse("no content", {"attachments": [], "inference_options": {}})
    refuse("content that is text", message("", content="Hello"))
    refuse("unknown part", message("", content=[{"type": "input_smell", "text": "x"}]))
    refuse("a part without text", message("", content=[{"type": "input_text"}]))
    refuse("blank", message("  \n "))
    refuse("no parts", message("", content=[]))
    refuse("too long", message("x" * 100_001))
    s.send("nothing was left behind", "threads.list", {})


def messages_without_optional_parts(s: Session) -> None:
    part = {"type": "input_text", "text": "Hello"}
    s.send("no attachments", "threads.create", {"input": {"content": [part], "inference_options": {}}})
    s.send("no inference options", "threads.create", {"input": {"content": [part], "attachments": []}})
    unknown = {"input": message("Hello") | {"unheard_of": 1}, "more": 2}
    s.send("fields from the future", "threads.create", unknown)


# The model in trouble.


def _trouble(word: str):
    def case(s: Session) -> None:
        thread_id = create(s, f"Please {word}").thread_id
        look(s, thread_id)
        add(s, thread_id, "Are you well again?")
        look(s, thread_id, "after the next turn")

    case.__name__ = "model_" + "_".join(word.strip("/").split())
    return case


TROUBLES = [
    _trouble(word)
    for word in (
        "/fail 500",
        "/fail 429",
        "/fail 401",
        "/fail 400",
        "/error",
        "/cut",
        "/end",
        "/malformed",
        "/refuse",
        "/incomplete",
        "/reason",
        "/odd",
        "/unknown",
        "/markdown",
        "/long 2kb",
    )
]


def an_empty_answer(s: Session) -> None:
    s.script({"steps": []})
    look(s, create(s, "Say nothing").thread_id)


CASES = [
    a_conversation,
    a_message_under_the_name_of_published_samples,
    messages_of_every_form,
    pages_of_items,
    pages_of_threads,
    retries,
    a_retry_that_fails,
    titles,
    deletions,
    threads_that_nobody_knows,
    threads_of_somebody_else,
    feedback,
    attachments,
    attachments_that_cannot_be,
    dictation,
    actions,
    answers_to_nothing,
    broken_requests,
    broken_messages,
    messages_without_optional_parts,
    *TROUBLES,
    an_empty_answer,
]

# What makes no sense without a model.
NEED_A_MODEL = [a_retry_that_fails, *TROUBLES, an_empty_answer]


# With documents.


def a_question_about_the_documents(s: Session) -> None:
    thread_id = create(s, "How long is the kettle covered by the warranty?").thread_id
    look(s, thread_id)
    add(s, thread_id, "And how do I descale the kettle?")
    look(s, thread_id, "after two turns")


SEARCHES = [a_question_about_the_documents]
