"""The reference: a ChatKit server on the official Python SDKs, as their guides advise.

`openai-chatkit` for the protocol, `openai-agents` for the model, threads in memory. Each model API has an address:
`POST /responses` and `POST /chat_completions`; `POST /search` is the first with a tool that searches the documents;
`POST /attachments` is the first with attachments, whose bytes go to `/files`, at the address that `PUBLIC_URL` names;
`POST /scripted` answers without a model, with whatever the message asks for (see `scripted.py`). Prints its address.

Deviations from the guides: the model client does not retry, so that a failure costs no waiting; users are told apart by
the header X-User-ID, which the guides leave to the integrator; the store keeps the order in which items came, where the
guides' examples sort by a clock.
"""

import base64
import os
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
from chatkit.store import AttachmentStore, NotFoundError, Store
from chatkit.types import (
    AssistantMessageItem,
    Attachment,
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
    FileAttachment,
    ImageAttachment,
    Page,
    ThreadItem,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTagContent,
)
from openai import AsyncOpenAI
from openai.types.responses import (
    EasyInputMessageParam,
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputTextParam,
)
from scripted import Scripted
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route

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
        self.attachments: dict[str, tuple[str, Attachment]] = {}

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
        self.attachments[attachment.id] = (context.user_id, attachment)

    async def load_attachment(self, attachment_id: str, context: Context) -> Attachment:
        user_id, attachment = self.attachments.get(attachment_id, (None, None))
        if attachment is None or user_id != context.user_id:
            raise NotFoundError(f"Attachment {attachment_id} not found")
        return attachment

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        await self.load_attachment(attachment_id, context)
        del self.attachments[attachment_id]


class Files(AttachmentStore[Context]):
    """The bytes of attachments, uploaded in two phases or directly."""

    def __init__(self, store: MemoryStore, url: str):
        self.store = store
        self.url = url
        self.bytes: dict[str, bytes] = {}

    def _attachment(self, name: str, mime_type: str, context: Context) -> Attachment:
        id = self.generate_attachment_id(mime_type, context)
        if mime_type.startswith("image/"):
            return ImageAttachment(id=id, name=name, mime_type=mime_type, preview_url=f"{self.url}/files/{id}")
        return FileAttachment(id=id, name=name, mime_type=mime_type)

    async def create_attachment(self, input: AttachmentCreateParams, context: Context) -> Attachment:
        attachment = self._attachment(input.name, input.mime_type, context)
        url = f"{self.url}/files/{attachment.id}"
        attachment.upload_descriptor = AttachmentUploadDescriptor(url=url, method="PUT", headers={"X-Upload": "now"})
        return attachment

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        await self.store.load_attachment(attachment_id, context)
        self.bytes.pop(attachment_id, None)

    async def put(self, request: Request) -> Response:
        """The second phase."""
        id, context = request.path_params["id"], Context(request.headers.get("x-user-id", "nobody"))
        attachment = await self.store.load_attachment(id, context)
        if request.headers.get("x-upload") != "now":
            return Response(status_code=403)
        self.bytes[id] = await request.body()
        await self.store.save_attachment(attachment.model_copy(update={"upload_descriptor": None}), context)
        return Response()

    async def post(self, request: Request) -> Response:
        """A direct upload: answers with the attachment."""
        context = Context(request.headers.get("x-user-id", "nobody"))
        async with request.form() as form:
            file = form["file"]
            attachment = self._attachment(file.filename, file.content_type, context)
            self.bytes[attachment.id] = await file.read()
        await self.store.save_attachment(attachment, context)
        return Response(attachment.model_dump_json(), media_type="application/json")

    async def get(self, request: Request) -> Response:
        _, attachment = self.store.attachments[request.path_params["id"]]
        return Response(self.bytes[attachment.id], media_type=attachment.mime_type)

    def routes(self) -> list[Route]:
        return [
            Route("/files", self.post, methods=["POST"]),
            Route("/files/{id}", self.put, methods=["PUT"]),
            Route("/files/{id}", self.get, methods=["GET"]),
        ]


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

    def __init__(self, files: Files | None = None):
        self.files = files

    async def attachment_to_message_content(
        self, attachment: Attachment
    ) -> ResponseInputImageParam | ResponseInputFileParam:
        content = base64.b64encode(self.files.bytes[attachment.id]).decode()
        data = f"data:{attachment.mime_type};base64,{content}"
        if isinstance(attachment, ImageAttachment):
            return ResponseInputImageParam(type="input_image", detail="auto", image_url=data)
        return ResponseInputFileParam(type="input_file", file_data=data, filename=attachment.name)

    async def assistant_message_to_input(self, item: AssistantMessageItem) -> EasyInputMessageParam:
        text = "".join(part.text for part in item.content)
        return EasyInputMessageParam(type="message", role="assistant", content=text)

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputTextParam:
        return ResponseInputTextParam(type="input_text", text=tag.text)


class Assistant(ChatKitServer[Context]):
    """Answers with an agent that is told the thread's last items."""

    def __init__(
        self, model: OpenAIResponsesModel | OpenAIChatCompletionsModel, *tools: Tool, files: Files | None = None
    ):
        super().__init__(files.store if files else MemoryStore(), files)
        self.files = files
        self.agent = Agent(
            name="assistant", model=model, instructions="You are a helpful assistant.", tools=list(tools)
        )

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.store.load_thread_items(thread.id, after=None, limit=20, order="desc", context=context)
        items = await Converter(self.files).to_agent_input(list(reversed(page.data)))
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


def application(url: str) -> Starlette:
    client = AsyncOpenAI(max_retries=0)
    public_url = os.environ.get("PUBLIC_URL", url)
    files = Files(MemoryStore(), public_url)
    # Each has a store of its own, and so its own files.
    own = {name: Files(MemoryStore(), f"{public_url}/{name}") for name in ("responses", "chat_completions", "search")}
    servers = {
        "responses": Assistant(
            OpenAIResponsesModel(model="fake-model", openai_client=client), files=own["responses"]
        ),
        "chat_completions": Assistant(
            OpenAIChatCompletionsModel(model="fake-model", openai_client=client), files=own["chat_completions"]
        ),
        "search": Assistant(
            OpenAIResponsesModel(model="fake-model", openai_client=client), search_documents, files=own["search"]
        ),
        "attachments": Assistant(OpenAIResponsesModel(model="fake-model", openai_client=client), files=files),
        "scripted": Scripted(MemoryStore()),
    }
    routes = [Route(f"/{name}", endpoint(server), methods=["POST"]) for name, server in servers.items()]
    for name, of_server in own.items():
        routes.append(Mount(f"/{name}", routes=of_server.routes()))
    return Starlette(routes=routes + files.routes())


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(f"listening on {url}", flush=True)
    server = uvicorn.Server(uvicorn.Config(application(url), access_log=False, log_level="warning"))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
