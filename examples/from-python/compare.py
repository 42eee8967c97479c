"""Asks the Python server and the Rust server the same things, and compares what a client ends up with.

    python compare.py PROGRAM    # target/debug/example-from-python

Ids and times are left out, and so is how an item came to be whole: in pieces or at once. Three differences are meant:
Parlor tells what a request has changed before the turn's settings, tells of a tool call that got its output, and gives
feedback back with its answer.
"""

import asyncio
import base64
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "python"), str(HERE / "../../tests/conformance")]

from chatkit.server import StreamingResult  # noqa: E402
from reference_server import Context, MemoryStore  # noqa: E402
from server import Desk  # noqa: E402

# Where the way out is a proxy: what is asked here is on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Of the stream itself: what an item goes through on its way.
PIECES = {"thread.item.added", "thread.item.updated"}
# Made by the server, or its own business.
UNSTABLE = {"id", "thread_id", "created_at", "item_id", "key"}
# Parlor's addition.
ADDED = {"feedback"}


def stable(value):
    """Without ids and times, and without what is absent in one way or another."""
    if isinstance(value, dict):
        return {
            key: stable(inner)
            for key, inner in value.items()
            if key not in UNSTABLE | ADDED and inner is not None and inner != [] and inner is not False
        }
    if isinstance(value, list):
        return [stable(inner) for inner in value]
    return value


def events_of(text):
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def is_meant(event):
    return event["type"] == "thread.item.replaced" and event["item"]["type"] == "client_tool_call"


class Python:
    def __init__(self):
        self.server = Desk(MemoryStore())

    async def ask(self, body):
        result = await self.server.process(json.dumps(body), Context("ada"))
        if isinstance(result, StreamingResult):
            return events_of(b"".join([piece async for piece in result]).decode())
        return json.loads(result.json)


class Rust:
    def __init__(self, url):
        self.url, self.cookie = url, ""

    async def ask(self, body):
        return await asyncio.to_thread(self.post, body)

    def post(self, body):
        headers = {"content-type": "application/json", "cookie": self.cookie}
        request = urllib.request.Request(f"{self.url}/chatkit", json.dumps(body).encode(), headers)
        with OPENER.open(request, timeout=120) as response:
            self.cookie = (response.headers.get("set-cookie") or self.cookie).split(";")[0]
            text = response.read().decode()
            streams = response.headers.get_content_type() == "text/event-stream"
        return events_of(text) if streams else json.loads(text)


async def play(server):
    """Everything once; gives what a client sees, step by step."""
    seen = []

    async def ask(operation, **params):
        answer = await server.ask({"type": operation, "params": params})
        if isinstance(answer, list):
            shown = [event for event in answer if event["type"] not in PIECES and not is_meant(event)]
            shown.sort(key=lambda event: event["type"] != "stream_options")
            seen.append((operation, stable(shown)))
        else:
            seen.append((operation, stable(answer)))
        return answer

    def said(text):
        content = [{"type": "input_text", "text": text}]
        return {"content": content, "attachments": [], "inference_options": {}}

    def item(events, kind):
        return next(e["item"] for e in events if e["type"] == "thread.item.done" and e["item"]["type"] == kind)

    events = await ask("threads.create", input=said("Hello"))
    thread = next(event["thread"]["id"] for event in events if event["type"] == "thread.created")
    answer = item(events, "assistant_message")

    asked = item(await ask("threads.add_user_message", thread_id=thread, input=said("ask")), "structured_input")
    answers = {"status": "answered", "answers": {"size": {"values": ["L"], "skipped": False}}}
    await ask("threads.add_structured_input", thread_id=thread, item_id=asked["id"], input=answers)

    await ask("threads.add_user_message", thread_id=thread, input=said("tool"))
    await ask("threads.add_client_tool_output", thread_id=thread, result={"name": "Ada"})

    widget = item(await ask("threads.add_user_message", thread_id=thread, input=said("widget")), "widget")
    action = {"type": "order.send", "payload": {"order": 1042}}
    await ask("threads.custom_action", thread_id=thread, item_id=widget["id"], action=action)
    await ask("threads.sync_custom_action", thread_id=thread, item_id=widget["id"], action=action)

    await ask("items.feedback", thread_id=thread, item_ids=[answer["id"]], kind="positive")
    recording = base64.b64encode(b"sound").decode()
    await ask("input.transcribe", audio_base64=recording, mime_type="audio/webm")
    await ask("items.list", thread_id=thread, order="asc", limit=50)
    return seen


async def main():
    folder = tempfile.TemporaryDirectory()
    program = subprocess.Popen(
        [Path(sys.argv[1]).resolve(), "127.0.0.1:0"], cwd=folder.name, stdout=subprocess.PIPE, text=True
    )
    try:
        url = program.stdout.readline().split()[-1]
        python, rust = await play(Python()), await play(Rust(url))
    finally:
        program.terminate()
        program.wait()
    different = 0
    for (operation, was), (_, now) in zip(python, rust, strict=True):
        if was != now:
            different += 1
            print(f"{operation}\n  Python: {json.dumps(was)}\n  Rust:   {json.dumps(now)}")
    print(f"from-python: {len(python)} steps compared, {different} differ")
    sys.exit(1 if different else 0)


asyncio.run(main())
