"""One conversation, `ways.toml`, with every way of answering it: a configured model, a responder in Rust, agents of LangGraph,
Pydantic AI and the OpenAI Agents SDK over AG-UI, webhooks in Python and Node.

    .cache/venv/bin/python tests/conformance/ways.py [WAY…]

The examples' environments are made by `scripts/setup-examples`.
"""

import json
import shutil
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import requests

from harness import PATIENCE_SECONDS, ROOT, Exchange, Process, Processes, Session

STEPS = tomllib.loads((Path(__file__).with_name("ways.toml")).read_text())["steps"]
SECRET = "a secret of the tests"
ABOUT = {
    "userInfo": {"name": "Ada Lovelace"},
    "pageContext": {"title": "Install guide", "url": "https://example.com/install"},
}
LOCATE = """
name = "locate"
description = "Where the user is."
"""


class Orders(BaseHTTPRequestHandler):
    """The shop's server, for the model's HTTP tools."""

    def do_GET(self) -> None:
        known = {"A-1700": "left the warehouse this morning", "A-1701": "waits for the walnut veneer"}
        number = self.number()
        self.answer(f"Order {number} {known[number]}.")

    def do_DELETE(self) -> None:
        self.answer(f"Order {self.number()} was cancelled.")

    def number(self) -> str:
        return unquote(self.path.rsplit("/", 1)[-1])

    def answer(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def parlor(processes: Processes, name: str, settings: str, **environment: str) -> str:
    """A server with these settings; where it chats."""
    file = Path(processes.folder) / f"{name}.toml"
    file.write_text(settings)
    return processes.parlor(name, PARLOR_CONFIG=str(file), **environment).ready().url + "/chatkit"


def model(processes: Processes, fake: Process) -> str:
    shop = ThreadingHTTPServer(("127.0.0.1", 0), Orders)
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    tool = """
[[tools]]
kind = "http"
name = "{name}"
description = "{name}"
url = "http://127.0.0.1:{port}/orders/{{number}}"
method = "{method}"
approval = "{approval}"
parameters = {{ number = {{ type = "string" }} }}
"""
    port = shop.server_port
    settings = tool.format(name="order_status", port=port, method="GET", approval="never")
    settings += tool.format(name="cancel_order", port=port, method="DELETE", approval="always")
    settings += f'[[tools]]\nkind = "client"{LOCATE}'
    return parlor(processes, "model", settings, OPENAI_BASE_URL=f"{fake.url}/v1", OPENAI_API_KEY="none")


def rust(processes: Processes, fake: Process) -> str:
    program = str(ROOT / "target/debug/example-tools")
    started = processes.start(
        "rust", [program, "127.0.0.1:0"], OPENAI_BASE_URL=f"{fake.url}/v1", OPENAI_API_KEY="none"
    )
    return started.ready().url + "/chatkit"


def example(name: str) -> Callable[[Processes, Process], str]:
    def start(processes: Processes, fake: Process) -> str:
        python = ROOT / ".cache/examples" / name / "bin/python"
        if not python.exists():
            raise SystemExit(f"{python} is missing; run scripts/setup-examples")
        serve = f"exec {python} -m uvicorn agent:app --app-dir {ROOT / 'examples' / name} --port 0 2>&1"
        environment = {"OPENAI_BASE_URL": f"{fake.url}/v1", "OPENAI_API_KEY": "none", "PYTHONDONTWRITEBYTECODE": "1"}
        agent = processes.start(name, ["/bin/sh", "-c", serve], **environment).ready()
        settings = f'[agent]\nkind = "ag-ui"\n[agent.remote]\nurl = "{agent.url}/agent"\n[[agent.remote.tools]]{LOCATE}'
        return parlor(processes, f"{name}-parlor", settings)

    return start


def webhook(*command: str) -> Callable[[Processes, Process], str]:
    def start(processes: Processes, fake: Process) -> str:
        name = Path(command[0]).name
        agent = processes.start(f"webhook-{name}", [*command, "0"], PARLOR_WEBHOOK_SECRET=SECRET).ready()
        settings = f'[agent]\nkind = "webhook"\n[agent.remote]\nurl = "{agent.url}/"\nsecret = "{SECRET}"\n[[agent.remote.tools]]{LOCATE}'
        return parlor(processes, f"webhook-{name}-parlor", settings)

    return start


# Whether a model answers, and how it is started.
WAYS: dict[str, tuple[bool, Callable[[Processes, Process], str]]] = {
    "model": (True, model),
    "rust": (True, rust),
    "langgraph": (True, example("langgraph")),
    "pydantic-ai": (True, example("pydantic-ai")),
    "agents-sdk": (True, example("agents-sdk")),
    "webhook-python": (False, webhook(sys.executable, str(ROOT / "examples/webhook/agent.py"))),
    "webhook-node": (False, webhook(shutil.which("node") or "node", str(ROOT / "examples/webhook/agent.mjs"))),
}


def behaviour(said: dict) -> dict:
    """What the fake model does, in its own words."""
    if "tool" in said:
        return {"steps": [{"step": "tool_call", "name": said["tool"], "arguments": said["arguments"]}]}
    if "status" in said:
        return {"steps": [{"step": "status", "status": said["status"]}], "times": said["times"]}
    return {"steps": [{"step": "text", "text": said["text"]}]}


class Conversation:
    def __init__(self, way: str, url: str, fake: Process | None):
        self.way, self.fake = way, fake
        self.session = Session(way, url, fake)
        self.thread: str | None = None

    def script(self, said: list[dict]) -> None:
        if self.fake:
            self.session.script(*map(behaviour, said))

    def say(self, text: str) -> Exchange:
        input = {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}}
        if self.thread is None:
            exchange = self.send("threads.create", {"input": input})
            self.thread = exchange.thread_id
            return exchange
        return self.send("threads.add_user_message", {"thread_id": self.thread, "input": input})

    def send(self, operation: str, params: dict) -> Exchange:
        body = {"type": operation, "params": params, "metadata": ABOUT}
        return self.session.send(operation, operation, raw=json.dumps(body).encode())

    def step(self, step: dict) -> Iterator[str]:
        """Makes a step; what is wrong with it."""
        if self.fake:
            requests.post(f"{self.fake.url}/control/reset", timeout=PATIENCE_SECONDS).raise_for_status()
        self.script(step["model"])
        answers = [self.say(step["say"])]
        if "then" in step:
            self.script(step["then"])
            answers += self.go_on(step, answers[0])
        yield from self.problems(step, answers)

    def go_on(self, step: dict, asked: Exchange) -> list[Exchange]:
        if "card" in step:
            cards = asked.items("widget")
            missing = [word for word in step["card"] if not cards or word not in json.dumps(cards[-1])]
            assert not missing, f"no card with {missing}: {asked.text[-1500:]}"
            action = {"type": "parlor.approval", "payload": {"approve": step["press"]}}
            params = {"thread_id": self.thread, "item_id": cards[-1]["id"], "action": action}
            return [self.send("threads.custom_action", params)]
        calls = asked.items("client_tool_call")
        assert calls and calls[-1]["name"] == step["page"], f"the page is not called: {asked.text[-1500:]}"
        params = {"thread_id": self.thread, "item_id": calls[-1]["id"], "result": step["gives"]}
        return [self.send("threads.add_client_tool_output", params)]

    def problems(self, step: dict, answers: list[Exchange]) -> Iterator[str]:
        errors = [event for answer in answers for event in answer.events if event["type"] == "error"]
        if step.get("error"):
            if not errors:
                yield "there is no error"
            for error in errors:
                told = json.dumps(error)
                if not error.get("reason") or "Traceback" in told or "it broke" in told:
                    yield f"the error is not told as it should be: {told}"
            return
        if errors:
            yield f"an error: {errors}"
        said = " ".join(
            part["text"]
            for answer in answers
            for item in answer.items("assistant_message")
            for part in item["content"]
        )
        for words in step.get("says", []):
            if words not in said:
                yield f"“{words}” is not said, but “{said}”"
        if title := step.get("step"):
            tasks = [task for answer in answers for item in answer.items("workflow") for task in item["workflow"]["tasks"]]
            if not any(task.get("title") == title and task["status_indicator"] == "complete" for task in tasks):
                yield f"no step “{title}” that is done: {tasks}"
        if not self.fake:
            return
        asked = requests.get(f"{self.fake.url}/control/requests", timeout=PATIENCE_SECONDS).json()
        told = json.dumps([request["body"] for request in asked], ensure_ascii=False)
        yield from (f"the model is not told “{words}”: {told[-3000:]}" for words in step.get("told", []) if words not in told)
        yield from (f"the model is told “{words}”" for words in step.get("not_told", []) if words in told)


def run(way: str) -> bool:
    """Has the conversation in one way; says whether all of it was as it should be."""
    started, passed, failed, lines = time.monotonic(), 0, 0, []
    has_model, start = WAYS[way]
    with Processes() as processes:
        try:
            fake = processes.fake_model() if has_model else None
            conversation = Conversation(way, start(processes, fake), fake)
            for step in STEPS:
                try:
                    problems = list(conversation.step(step))
                except (AssertionError, LookupError, ValueError, requests.exceptions.RequestException) as error:
                    problems = [f"{type(error).__name__}: {error}"]
                passed += not problems
                failed += bool(problems)
                if problems:
                    lines += [f"FAILED {way}: {step['name']}", *(f"  - {problem}" for problem in problems)]
        except SystemExit as missing:
            lines.append(f"FAILED {way}: {missing}")
            failed += 1
        if failed:
            logs = sorted(Path(processes.folder).glob("*.log"))
            lines += [f"  {log.name}: {log.read_text(errors='replace')[-3000:]}" for log in logs if log.stat().st_size]
    print("\n".join([*lines, f"{way}: {passed} passed, {failed} failed in {time.monotonic() - started:.0f} s"]))
    return bool(passed) and not failed


def main(chosen: list[str]) -> int:
    # Side by side: most of their time is spent waiting.
    with ThreadPoolExecutor(4) as pool:
        passed = list(pool.map(run, chosen or WAYS))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
