"""The reference: a ChatKit server on the official Python SDKs, as their guides advise.

`openai-chatkit` for the protocol, `openai-agents` for the model, threads in memory. Each model API has an address:
`POST /responses` and `POST /chat_completions`; `POST /search` is the first with a tool that searches the documents; `POST /scripted` answers without a model, with whatever the message
asks for (see `scripted.py`). Prints its address.

Deviations from the guides: the model client does not retry, so that a failure costs no waiting; users are told apart by
the header X-User-ID, which the guides leave to the integrator; the store keeps the order in which items came, where the
guides' examples sort by a clock.
"""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    Tool,
    function_tool,
    set_tracing_disabled,
)
from chatkit.agents import AgentContext, ThreadItemConverter, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    AssistantMessageItem,
    Attachment,
    Page,
    ThreadItem,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTagContent,
)
from openai import AsyncOpenAI
from openai.types.responses import EasyInputMessageParam, ResponseInputTextParam
from scripted import Scripted
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

# Traces would go to the vendor's server.
set_tracing_disabled(True)


class Context:
    """Who is asking."""

    def __init__(self, user_id: str):
        self.user_id = user_id


class MemoryStore(Store[Context]):
    """Threads and items in dictionaries, in the order in which they came."""

    def __init__(self):
        self.threads: dict[str, tuple[str, ThreadMetadata]] = {}
        self.items: dict[str, dict[str, ThreadItem]] = {}

    async def load_thread(self, thread_id: str, context: Context) -> ThreadMetadata:
        user_id, thread = self.threads.get(thread_id, (None, None))
        if thread is None or user_id != context.user_id:
            raise NotFoundError(f"Thread {thread_id} not found")
        return thread.model_copy(deep=True)

    async def save_thread(self, thread: ThreadMetadata, context: Context) -> None:
        kept = ThreadMetadata.model_validate(thread.model_dump(include=set(ThreadMetadata.model_fields)))
        self.threads[thread.id] = (context.user_id, kept)

    async def load_threads(self, limit: int, after: str | None, order: str, context: Context) -> Page[ThreadMetadata]:
        mine = [thread for user_id, thread in self.threads.values() if user_id == context.user_id]
        return _page(mine, limit, after, order)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Context
    ) -> Page[ThreadItem]:
        await self.load_thread(thread_id, context)
        return _page(list(self.items.get(thread_id, {}).values()), limit, after, order)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        self.items.setdefault(thread_id, {})[item.id] = item.model_copy(deep=True)

    async def load_item(self, thread_id: str, item_id: str, context: Context) -> ThreadItem:
        await self.load_thread(thread_id, context)
        item = self.items.get(thread_id, {}).get(item_id)
        if item is None:
            raise NotFoundError(f"Item {item_id} not found")
        return item.model_copy(deep=True)

    async def delete_thread(self, thread_id: str, context: Context) -> None:
        await self.load_thread(thread_id, context)
        del self.threads[thread_id]
        self.items.pop(thread_id, None)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Context) -> None:
        self.items.get(thread_id, {}).pop(item_id, None)

    async def save_attachment(self, attachment: Attachment, context: Context) -> None:
        raise NotFoundError("attachments are not configured")

    async def load_attachment(self, attachment_id: str, context: Context) -> Attachment:
        raise NotFoundError(f"Attachment {attachment_id} not found")

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        raise NotFoundError(f"Attachment {attachment_id} not found")


def _page(records: list, limit: int, after: str | None, order: str) -> Page:
    if order == "desc":
        records = records[::-1]
    start = next((at + 1 for at, record in enumerate(records) if record.id == after), 0)
    data = [record.model_copy(deep=True) for record in records[start : start + limit]]
    has_more = start + limit < len(records)
    return Page(data=data, has_more=has_more, after=data[-1].id if has_more else None)


class Converter(ThreadItemConverter):
    """Tells the model of tags, too, which is left to the integrator.

    Earlier answers are plain text: what the SDK makes of them is refused by its own Chat Completions model.
    """

    async def assistant_message_to_input(self, item: AssistantMessageItem) -> EasyInputMessageParam:
        text = "".join(part.text for part in item.content)
        return EasyInputMessageParam(type="message", role="assistant", content=text)

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputTextParam:
        return ResponseInputTextParam(type="input_text", text=tag.text)


class Assistant(ChatKitServer[Context]):
    """Answers with an agent that is told the thread's last items."""

    def __init__(self, model: OpenAIResponsesModel | OpenAIChatCompletionsModel, *tools: Tool):
        super().__init__(MemoryStore())
        self.agent = Agent(
            name="assistant", model=model, instructions="You are a helpful assistant.", tools=list(tools)
        )

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.store.load_thread_items(thread.id, after=None, limit=20, order="desc", context=context)
        items = await Converter().to_agent_input(list(reversed(page.data)))
        agent_context = AgentContext(thread=thread, store=self.store, request_context=context)
        result = Runner.run_streamed(self.agent, items, context=agent_context)
        async for event in stream_agent_response(agent_context, result):
            yield event


@function_tool
async def search_documents(query: str) -> str:
    """Searches the documents for passages about the query."""
    wanted = set(query.lower().split())
    texts = [path.read_text() for path in (Path(__file__).parent / "documents").glob("*.md")]
    texts.sort(key=lambda text: -len(wanted & set(text.lower().split())))
    passages = (text.rpartition("---\n")[2].strip() for text in texts)
    return "\n".join(
        f'<passage number="{number}">\ntitle: A document\n\n{passage}\n</passage>'
        for number, passage in enumerate(passages, 1)
    )


def endpoint(server: ChatKitServer[Context]):
    """The route of a server, as in the guides."""

    async def chatkit(request: Request) -> Response:
        context = Context(request.headers.get("x-user-id", "nobody"))
        result = await server.process(await request.body(), context)
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    return chatkit


def application() -> Starlette:
    client = AsyncOpenAI(max_retries=0)
    servers = {
        "responses": Assistant(OpenAIResponsesModel(model="fake-model", openai_client=client)),
        "chat_completions": Assistant(OpenAIChatCompletionsModel(model="fake-model", openai_client=client)),
        "search": Assistant(OpenAIResponsesModel(model="fake-model", openai_client=client), search_documents),
        "scripted": Scripted(MemoryStore()),
    }
    return Starlette(
        routes=[Route(f"/{name}", endpoint(server), methods=["POST"]) for name, server in servers.items()]
    )


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server = uvicorn.Server(uvicorn.Config(application(), access_log=False, log_level="warning"))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
