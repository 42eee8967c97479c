"""`kill -9` at random points of many turns: nothing acknowledged is lost, no thread is wedged, nothing is doubled.

Conversations go on side by side; the server dies under them again and again, sometimes while it starts. After each
death every thread is read and held against what its client saw. `SEED` repeats a run.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests
from corpus import message
from harness import PATIENCE_SECONDS, Process, Processes, Session
from turns import items, script, text_of

Result = tuple[str, list[str]]

TURNS = 200
AT_ONCE = 20
# Slower than checkpoints come, so that most turns have one when they are killed.
WORDS = [f"word{number} " for number in range(45)]
ANSWER = "".join(WORDS)
WORD_MS = 90
# A checkpoint is written about once a second. What was seen that long before a death has to be there after it, if that
# many words came meanwhile: a server that got no time to go on had none to write.
KEPT_AFTER_SECONDS = 2.5
KEPT_AFTER_WORDS = 20


@dataclass
class Turn:
    """A message, and what its client saw of the answer."""

    question: str
    key: str
    thread_id: str | None
    acknowledged: bool = False
    outcome: str | None = None
    """What the closing comment says; none where the connection broke."""
    seen: list[tuple[float, int]] = field(default_factory=list)
    """When how many characters had come."""
    died: float = 0
    """When the server died that it was sent to."""

    def ask(self, user: str, url: str) -> None:
        """Sends the message and reads until the end, or until the server dies."""
        session = Session(user, url, None)
        params = {"input": message(self.question)}
        operation = "threads.create"
        if self.thread_id:
            operation, params = "threads.add_user_message", params | {"thread_id": self.thread_id}
        try:
            live = session.open("ask", operation, params, headers={"Idempotency-Key": self.key})
        except requests.exceptions.RequestException:
            return
        exchange = live.exchange
        if exchange.status != 200:
            live.finish()
            raise AssertionError(f"{self.question!r} was refused: {exchange.status} {exchange.text}")
        characters = events = 0
        more = True
        while more:
            more = live._more()
            for event in exchange.events[events:]:
                self.acknowledged = True
                if event["type"] == "thread.created":
                    self.thread_id = event["thread"]["id"]
                characters += len(event.get("update", {}).get("delta", ""))
            events = len(exchange.events)
            self.seen.append((time.monotonic(), characters))
        ends = [comment for comment in exchange.comments if comment.startswith("end ")]
        self.outcome = ends[-1].removeprefix("end ") if ends else None


@dataclass
class Conversation:
    """One client: what it asked, in order."""

    user: str
    turns: list[Turn] = field(default_factory=list)

    @property
    def thread_id(self) -> str | None:
        return next((turn.thread_id for turn in self.turns if turn.thread_id), None)

    def next(self, question: str) -> Turn:
        """The next turn. A message of which nothing was heard is sent again, as the element does."""
        if self.turns and not self.turns[-1].acknowledged:
            return self.turns[-1]
        turn = Turn(question, f"key of {question}", self.thread_id)
        self.turns.append(turn)
        return turn

    def problems(self, url: str) -> Iterator[str]:
        """How the stored thread differs from what was seen."""
        listed = Session(self.user, url, None).send("list", "threads.list", {"limit": 100}).body["data"]
        ids = [thread["id"] for thread in listed]
        if len(set(ids)) != len(ids):
            yield f"{self.user}: a thread is listed twice"
        if self.thread_id is None:
            return
        if ids.count(self.thread_id) != 1 or len(ids) != 1:
            yield f"{self.user}: has the threads {ids}, knows of {self.thread_id}"
            return
        stored = items(Session(self.user, url, None), self.thread_id)
        if len({item["id"] for item in stored}) != len(stored):
            yield f"{self.user}: an item is there twice"
        questions = [text_of(item) for item in stored if item["type"] == "user_message"]
        acknowledged = [turn.question for turn in self.turns if turn.acknowledged]
        # The last one may be stored although its client heard nothing of it.
        if questions not in (acknowledged, [turn.question for turn in self.turns]):
            yield f"{self.user}: asked {acknowledged}, stored is {questions}"
        answers: dict[str, list[str]] = {}
        for item in stored:
            if item["type"] == "user_message":
                said = answers.setdefault(text_of(item), [])
            elif item["type"] == "assistant_message":
                said.append(text_of(item))
        for turn in self.turns:
            yield from self._answer(turn, answers.get(turn.question, []))

    def _answer(self, turn: Turn, stored: list[str]) -> Iterator[str]:
        where = f"{self.user}: {turn.question!r}"
        if len(stored) > 1:
            yield f"{where} has {len(stored)} answers"
        text = stored[0] if stored else ""
        if not ANSWER.startswith(text.strip()):
            yield f"{where} was answered {text!r}"
        in_time = sum(at < turn.died - KEPT_AFTER_SECONDS for at, _ in turn.seen)
        last = turn.seen[-1][1] if turn.seen else 0
        early = (count for _, count in turn.seen[:in_time] if last - count >= len("word10 ") * KEPT_AFTER_WORDS)
        kept = max(early, default=0)
        if turn.outcome == "done":
            kept = len(ANSWER)
        if len(text.strip()) < len(ANSWER[:kept].strip()):
            yield f"{where}: {kept} characters had been seen in time, {len(text)} are stored"


def ask_side_by_side(
    conversations: list[Conversation], turns: list[Turn], url: str, delays: list[float]
) -> list[threading.Thread]:
    """Starts a client for each conversation, after its delay; failures are kept in `refusals`."""

    def run(conversation: Conversation, turn: Turn, delay: float) -> None:
        time.sleep(delay)
        try:
            turn.ask(conversation.user, url)
        except AssertionError as error:
            refusals.append(f"{conversation.user}: {error}")

    threads = [
        threading.Thread(target=run, args=arguments, daemon=True)
        for arguments in zip(conversations, turns, delays, strict=True)
    ]
    for thread in threads:
        thread.start()
    return threads


refusals: list[str] = []


def results(processes: Processes, model: Process) -> Iterator[Result]:
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))
    chance = random.Random(seed)
    name = f"crash: {TURNS} turns killed at random points (SEED={seed})"
    environment = {"OPENAI_BASE_URL": f"{model.url}/v1", "PARLOR_SEARCH__ENABLED": "false"}

    def start() -> Process:
        return processes.parlor("crash", **environment)

    def behave(**step: object) -> None:
        requests.post(f"{model.url}/control/reset", timeout=PATIENCE_SECONDS).raise_for_status()
        steps = script({"step": "text", "text": ANSWER} | step, times=0)
        requests.post(f"{model.url}/control/script", json=[steps], timeout=PATIENCE_SECONDS).raise_for_status()

    behave(delay_ms=WORD_MS)
    conversations = [Conversation(f"user{number}") for number in range(AT_ONCE)]
    problems: list[str] = []
    partial = 0
    length = len(WORDS) * WORD_MS / 1000
    server = start().ready()
    for round in range(TURNS // AT_ONCE):
        turns = [conversation.next(f"question {round} of {conversation.user}") for conversation in conversations]
        life = length * chance.uniform(0.4, 1.4)
        delays = [life * chance.random() ** 2 for _ in conversations]
        clients = ask_side_by_side(conversations, turns, f"{server.url}/chatkit", delays)
        time.sleep(life)
        died = time.monotonic()
        server.kill()
        for turn in turns:
            turn.died = died
        for client in clients:
            client.join(PATIENCE_SECONDS)
            if client.is_alive():
                problems.append("a client hangs on a dead server")
        partial += sum(turn.outcome is None and turn.acknowledged for turn in turns)
        if chance.random() < 0.5:
            early = start()
            time.sleep(0.3 * chance.random())
            early.kill()
        server = start().ready()
        for conversation in conversations:
            problems += conversation.problems(f"{server.url}/chatkit")
        problems += refusals
        refusals.clear()
        if problems:
            yield name, problems
            return
    yield name, [] if partial > TURNS / 8 else [f"only {partial} turns were killed in the middle: this proves little"]

    behave()
    turns = [conversation.next(f"the last question of {conversation.user}") for conversation in conversations]
    for client in ask_side_by_side(conversations, turns, f"{server.url}/chatkit", [0.0] * AT_ONCE):
        client.join(PATIENCE_SECONDS)
    for conversation, turn in zip(conversations, turns, strict=True):
        if turn.outcome != "done" and turn.outcome != "interrupted":
            problems.append(f"{conversation.user}: the last question ended with {turn.outcome}")
        problems += conversation.problems(f"{server.url}/chatkit")
    yield f"crash: every thread takes a message afterwards (SEED={seed})", problems + refusals
