"""The server as it was: on the official SDK, `openai-chatkit`. `src/lib.rs` is the same in Rust."""

import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from chatkit.server import ChatKitServer, stream_widget
from chatkit.types import (
    Action,
    Annotation,
    AssistantMessageContent,
    AssistantMessageItem,
    AudioInput,
    ClientEffectEvent,
    ClientToolCallItem,
    CustomSummary,
    CustomTask,
    FeedbackKind,
    HiddenContextItem,
    NoticeEvent,
    ProgressUpdateEvent,
    StreamOptions,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
    SyncCustomActionResponse,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    TranscriptionResult,
    URLSource,
    UserMessageItem,
    WidgetItem,
    Workflow,
    WorkflowItem,
)
from chatkit.widgets import Card, Text

log = logging.getLogger(__name__)


class Desk(ChatKitServer[Any]):
    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Any
    ) -> AsyncIterator[ThreadStreamEvent]:
        if input_user_message is None:
            yield self.message(thread, context, await self.what_came(thread, context))
            return
        text = "".join(part.text for part in input_user_message.content)
        if text == "ask":
            yield ThreadItemDoneEvent(
                item=StructuredInputItem(
                    id=self.store.generate_item_id("message", thread, context),
                    thread_id=thread.id,
                    created_at=datetime.now(),
                    inputs=[
                        StructuredInputMultipleChoice(
                            id="size",
                            question="Which size?",
                            options=[
                                StructuredInputMultipleChoiceOption(value="S"),
                                StructuredInputMultipleChoiceOption(value="L"),
                            ],
                        )
                    ],
                )
            )
        elif text == "tool":
            yield ThreadItemDoneEvent(
                item=ClientToolCallItem(
                    id=self.store.generate_item_id("tool_call", thread, context),
                    thread_id=thread.id,
                    created_at=datetime.now(),
                    status="pending",
                    call_id="call_1",
                    name="read_form",
                    arguments={"form": "delivery"},
                )
            )
        elif text == "widget":
            async for event in stream_widget(thread, card("Where to?"), copy_text="Where to?"):
                yield event
        else:
            yield ProgressUpdateEvent(icon="search", text="Looking it up")
            yield ThreadItemDoneEvent(
                item=WorkflowItem(
                    id=self.store.generate_item_id("workflow", thread, context),
                    thread_id=thread.id,
                    created_at=datetime.now(),
                    workflow=Workflow(
                        type="custom",
                        tasks=[CustomTask(title="Reading the manual", status_indicator="complete")],
                        summary=CustomSummary(title="Read the manual"),
                    ),
                )
            )
            yield self.message(
                thread,
                context,
                f"You said: {text}",
                Annotation(source=URLSource(title="Manual", url="/manual"), index=8),
            )
            yield NoticeEvent(level="info", message="Answered from the manual.")
            thread.title = text

    async def action(
        self, thread: ThreadMetadata, action: Action[str, Any], sender: WidgetItem | None, context: Any
    ) -> AsyncIterator[ThreadStreamEvent]:
        if sender is not None:
            sender.widget = card("Sent.")
            yield ThreadItemReplacedEvent(item=sender)
        yield ThreadItemDoneEvent(
            item=HiddenContextItem(
                id=self.store.generate_item_id("message", thread, context),
                thread_id=thread.id,
                created_at=datetime.now(),
                content="The order was sent.",
            )
        )
        yield ClientEffectEvent(name="order.sent", data=action.payload)
        yield self.message(thread, context, "It is on its way.")

    async def sync_action(
        self, thread: ThreadMetadata, action: Action[str, Any], sender: WidgetItem | None, context: Any
    ) -> SyncCustomActionResponse:
        if sender is not None:
            sender.widget = card("Noted.")
            await self.store.save_item(thread.id, sender, context)
        return SyncCustomActionResponse(updated_item=sender)

    async def add_feedback(
        self, thread_id: str, item_ids: list[str], feedback: FeedbackKind, context: Any
    ) -> None:
        log.info("%s for %d items of %s", feedback, len(item_ids), thread_id)

    async def transcribe(self, audio_input: AudioInput, context: Any) -> TranscriptionResult:
        return TranscriptionResult(text=f"{len(audio_input.data)} bytes of {audio_input.mime_type}")

    def get_stream_options(self, thread: ThreadMetadata, context: Any) -> StreamOptions:
        return StreamOptions(allow_cancel=False)

    async def handle_stream_cancelled(
        self, thread: ThreadMetadata, pending_items: list[ThreadItem], context: Any
    ) -> None:
        await super().handle_stream_cancelled(thread, pending_items, context)
        log.info("%s was stopped", thread.id)

    async def what_came(self, thread: ThreadMetadata, context: Any) -> str:
        page = await self.store.load_thread_items(thread.id, None, 1, "desc", context)
        item = page.data[0]
        if isinstance(item, ClientToolCallItem):
            return f"The page says: {item.output['name']}"
        if isinstance(item, StructuredInputItem) and item.inputs[0].answer is not None:
            return f"Size {item.inputs[0].answer.values[0]}, then."
        return "Let us go on."

    def message(
        self, thread: ThreadMetadata, context: Any, text: str, *annotations: Annotation
    ) -> ThreadItemDoneEvent:
        return ThreadItemDoneEvent(
            item=AssistantMessageItem(
                id=self.store.generate_item_id("message", thread, context),
                thread_id=thread.id,
                created_at=datetime.now(),
                content=[AssistantMessageContent(text=text, annotations=list(annotations))],
            )
        )


def card(text: str) -> Card:
    return Card(children=[Text(value=text)])
