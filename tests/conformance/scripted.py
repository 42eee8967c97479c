"""The responder of `scripted.rs`, on the official SDK: it says what the user's message tells it to say."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from chatkit.errors import CustomStreamError
from chatkit.server import ChatKitServer
from chatkit.types import (
    AudioInput,
    SyncCustomActionResponse,
    ThreadMetadata,
    ThreadStatus,
    ThreadStreamEvent,
    TranscriptionResult,
    UserMessageItem,
)
from pydantic import TypeAdapter

EVENT = TypeAdapter(ThreadStreamEvent)
STATUS = TypeAdapter(ThreadStatus)


class Script:
    """What is still to be said in a thread."""

    def __init__(self):
        self.turns: list[list[dict[str, Any]]] = []
        self.ids: dict[str, str] = {}
        self.answered: set[str] = set()


class Scripted(ChatKitServer):
    """Plays scripts."""

    def __init__(self, store):
        super().__init__(store)
        self.scripts: dict[str, Script] = {}

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context
    ) -> AsyncIterator[ThreadStreamEvent]:
        script = self.scripts.setdefault(thread.id, Script())
        if input_user_message:
            script.turns = json.loads("".join(part.text for part in input_user_message.content))
            if input_user_message.id in script.answered:
                script.ids.clear()
            script.answered.add(input_user_message.id)
        async for event in self._play(script.turns.pop(0) if script.turns else [], thread, context):
            yield event

    async def action(self, thread, action, sender, context) -> AsyncIterator[ThreadStreamEvent]:
        async for event in self._play(action.payload, thread, context):
            yield event

    async def sync_action(self, thread, action, sender, context) -> SyncCustomActionResponse:
        return SyncCustomActionResponse.model_validate(self._filled(action.payload, thread, context))

    async def transcribe(self, audio_input: AudioInput, context) -> TranscriptionResult:
        return TranscriptionResult(text=f"{len(audio_input.data)} bytes of {audio_input.mime_type}")

    async def _play(self, steps, thread: ThreadMetadata, context) -> AsyncIterator[ThreadStreamEvent]:
        for step in steps:
            step = self._filled(step, thread, context)
            if "change" in step:
                for name, value in step["change"].items():
                    setattr(thread, name, STATUS.validate_python(value) if name == "status" else value)
            elif "fail" in step:
                raise CustomStreamError(step["fail"]["message"], allow_retry=step["fail"]["allow_retry"])
            elif "crash" in step:
                raise RuntimeError(step["crash"])
            else:
                yield EVENT.validate_python(step)

    def _filled(self, value: Any, thread: ThreadMetadata, context) -> Any:
        """The value with ids and times in place of their names."""
        if isinstance(value, list):
            return [self._filled(inner, thread, context) for inner in value]
        if isinstance(value, dict):
            return {name: self._filled(inner, thread, context) for name, inner in value.items()}
        if value == "$thread":
            return thread.id
        if value == "$now":
            return datetime.now()
        if isinstance(value, str) and value.startswith("$item:"):
            ids = self.scripts.setdefault(thread.id, Script()).ids
            return ids.setdefault(value, self.store.generate_item_id("message", thread, context))
        return value
