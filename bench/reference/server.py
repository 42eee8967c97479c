"""The reference: a ChatKit server on the official Python SDKs, as their guides advise.

`openai-chatkit` for the protocol, `openai-agents` for the model, FastAPI and uvicorn for HTTP, SQLite or PostgreSQL
(asyncpg) for threads.
Where the guides leave a choice, the one that costs less is taken: uvloop and httptools, no access log, tracing off,
one SQLite connection used in the event loop (no thread hops), a pool of asyncpg connections that keep their prepared
statements and are not reset between uses, items found by their primary key.
Durability is Parlor's: a commit for each thread or item that the SDK saves, with `synchronous = FULL` (SQLite) or what
the PostgreSQL server has.

    OPENAI_BASE_URL=http://127.0.0.1:9100/v1 python server.py --listen 127.0.0.1:8001 --database reference.db
    OPENAI_BASE_URL=http://127.0.0.1:9100/v1 python server.py --listen 127.0.0.1:8001 --database postgres://…
"""

import argparse
import os
import sqlite3
from contextlib import asynccontextmanager
from datetime import datetime
from typing import AsyncIterator

# The model server needs no key, the client library insists on one.
os.environ.setdefault("OPENAI_API_KEY", "none")

import asyncpg
import uvicorn
from agents import Agent, Runner, set_tracing_disabled
from chatkit.agents import AgentContext, simple_to_agent_input, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    Attachment,
    Page,
    ThreadItem,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

# Traces would go to the vendor's server.
set_tracing_disabled(True)

THREAD = TypeAdapter(ThreadMetadata)
ITEM = TypeAdapter(ThreadItem)

SCHEMA = """
CREATE TABLE IF NOT EXISTS threads (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, created_at TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS threads_of_user ON threads (user_id, created_at);
CREATE TABLE IF NOT EXISTS items (
    id TEXT NOT NULL, thread_id TEXT NOT NULL, user_id TEXT NOT NULL, created_at TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (thread_id, id)
);
CREATE INDEX IF NOT EXISTS items_of_thread ON items (thread_id, created_at);
"""


class Context:
    """Who is asking."""

    def __init__(self, user_id: str):
        self.user_id = user_id


class SqliteStore(Store[Context]):
    """Threads and items as JSON in SQLite."""

    def __init__(self, path: str):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.executescript(SCHEMA)

    async def load_thread(self, thread_id: str, context: Context) -> ThreadMetadata:
        row = self.db.execute(
            "SELECT data FROM threads WHERE id = ? AND user_id = ?", (thread_id, context.user_id)
        ).fetchone()
        if row is None:
            raise NotFoundError(f"Thread {thread_id} not found")
        return THREAD.validate_json(row[0])

    async def save_thread(self, thread: ThreadMetadata, context: Context) -> None:
        self.db.execute(
            "INSERT INTO threads VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            (thread.id, context.user_id, _order(thread.created_at), THREAD.dump_json(thread).decode()),
        )

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Context
    ) -> Page[ThreadMetadata]:
        rows = self._page("threads", "user_id = ?", context.user_id, limit, after, order)
        data = [THREAD.validate_json(row[0]) for row in rows[:limit]]
        return Page(data=data, has_more=len(rows) > limit, after=data[-1].id if data else None)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Context
    ) -> Page[ThreadItem]:
        rows = self._page("items", "thread_id = ?", thread_id, limit, after, order)
        data = [ITEM.validate_json(row[0]) for row in rows[:limit]]
        return Page(data=data, has_more=len(rows) > limit, after=data[-1].id if data else None)

    def _page(
        self, table: str, where: str, value: str, limit: int, after: str | None, order: str
    ) -> list[tuple[str]]:
        beyond, direction = (">", "ASC") if order == "asc" else ("<", "DESC")
        cursor, bound = "", [value]
        if after:
            cursor = f" AND created_at {beyond} (SELECT created_at FROM {table} WHERE {where} AND id = ?)"
            bound += [value, after]
        return self.db.execute(
            f"SELECT data FROM {table} WHERE {where}{cursor} ORDER BY created_at {direction} LIMIT ?",
            (*bound, limit + 1),
        ).fetchall()

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        self.db.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (thread_id, id) DO UPDATE SET data = excluded.data",
            (item.id, thread_id, context.user_id, _order(item.created_at), ITEM.dump_json(item).decode()),
        )

    async def load_item(self, thread_id: str, item_id: str, context: Context) -> ThreadItem:
        row = self.db.execute(
            "SELECT data FROM items WHERE thread_id = ? AND id = ? AND user_id = ?",
            (thread_id, item_id, context.user_id),
        ).fetchone()
        if row is None:
            raise NotFoundError(f"Item {item_id} not found")
        return ITEM.validate_json(row[0])

    async def delete_thread(self, thread_id: str, context: Context) -> None:
        self.db.execute("DELETE FROM items WHERE thread_id = ? AND user_id = ?", (thread_id, context.user_id))
        self.db.execute("DELETE FROM threads WHERE id = ? AND user_id = ?", (thread_id, context.user_id))

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Context) -> None:
        self.db.execute(
            "DELETE FROM items WHERE thread_id = ? AND id = ? AND user_id = ?",
            (thread_id, item_id, context.user_id),
        )

    async def save_attachment(self, attachment: Attachment, context: Context) -> None:
        raise NotImplementedError("the benchmark sends no attachments")

    async def load_attachment(self, attachment_id: str, context: Context) -> Attachment:
        raise NotFoundError("the benchmark sends no attachments")

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        raise NotFoundError("the benchmark sends no attachments")


def _order(time: datetime) -> str:
    return time.isoformat(timespec="microseconds")


# Of connections; Parlor's default.
POOL = 10


class PostgresStore(Store[Context]):
    """The same in PostgreSQL: the same tables, one statement for each thing that the SDK asks for."""

    pool: asyncpg.Pool

    async def open(self, url: str) -> None:
        # What a connection is reset from is never set here: that round trip is spared.
        self.pool = await asyncpg.create_pool(url, min_size=POOL, max_size=POOL, reset=_nothing)
        await self.pool.execute(SCHEMA)

    async def load_thread(self, thread_id: str, context: Context) -> ThreadMetadata:
        data = await self.pool.fetchval(
            "SELECT data FROM threads WHERE id = $1 AND user_id = $2", thread_id, context.user_id
        )
        if data is None:
            raise NotFoundError(f"Thread {thread_id} not found")
        return THREAD.validate_json(data)

    async def save_thread(self, thread: ThreadMetadata, context: Context) -> None:
        await self.pool.execute(
            "INSERT INTO threads VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            thread.id,
            context.user_id,
            _order(thread.created_at),
            THREAD.dump_json(thread).decode(),
        )

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Context
    ) -> Page[ThreadMetadata]:
        rows = await self._page("threads", "user_id", context.user_id, limit, after, order)
        data = [THREAD.validate_json(row[0]) for row in rows[:limit]]
        return Page(data=data, has_more=len(rows) > limit, after=data[-1].id if data else None)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Context
    ) -> Page[ThreadItem]:
        rows = await self._page("items", "thread_id", thread_id, limit, after, order)
        data = [ITEM.validate_json(row[0]) for row in rows[:limit]]
        return Page(data=data, has_more=len(rows) > limit, after=data[-1].id if data else None)

    async def _page(
        self, table: str, column: str, value: str, limit: int, after: str | None, order: str
    ) -> list[asyncpg.Record]:
        beyond, direction = (">", "ASC") if order == "asc" else ("<", "DESC")
        cursor, bound = "", [value, limit + 1]
        if after:
            cursor = f" AND created_at {beyond} (SELECT created_at FROM {table} WHERE {column} = $1 AND id = $3)"
            bound.append(after)
        return await self.pool.fetch(
            f"SELECT data FROM {table} WHERE {column} = $1{cursor} ORDER BY created_at {direction} LIMIT $2",
            *bound,
        )

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        await self.pool.execute(
            "INSERT INTO items VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (thread_id, id) DO UPDATE SET data = excluded.data",
            item.id,
            thread_id,
            context.user_id,
            _order(item.created_at),
            ITEM.dump_json(item).decode(),
        )

    async def load_item(self, thread_id: str, item_id: str, context: Context) -> ThreadItem:
        data = await self.pool.fetchval(
            "SELECT data FROM items WHERE thread_id = $1 AND id = $2 AND user_id = $3",
            thread_id,
            item_id,
            context.user_id,
        )
        if data is None:
            raise NotFoundError(f"Item {item_id} not found")
        return ITEM.validate_json(data)

    async def delete_thread(self, thread_id: str, context: Context) -> None:
        for table, column in (("items", "thread_id"), ("threads", "id")):
            await self.pool.execute(
                f"DELETE FROM {table} WHERE {column} = $1 AND user_id = $2", thread_id, context.user_id
            )

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Context) -> None:
        await self.pool.execute(
            "DELETE FROM items WHERE thread_id = $1 AND id = $2 AND user_id = $3",
            thread_id,
            item_id,
            context.user_id,
        )

    async def save_attachment(self, attachment: Attachment, context: Context) -> None:
        raise NotImplementedError("the benchmark sends no attachments")

    async def load_attachment(self, attachment_id: str, context: Context) -> Attachment:
        raise NotFoundError("the benchmark sends no attachments")

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        raise NotFoundError("the benchmark sends no attachments")


async def _nothing(_: asyncpg.Connection) -> None:
    pass


class Assistant(ChatKitServer[Context]):
    """Answers with an agent that is told the thread's last items."""

    def __init__(self, store: SqliteStore | PostgresStore):
        super().__init__(store)
        self.agent = Agent(name="assistant", model="fake-model", instructions="You are a helpful assistant.")

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.store.load_thread_items(
            thread.id, after=None, limit=10, order="desc", context=context
        )
        items = await simple_to_agent_input(list(reversed(page.data)))
        agent_context = AgentContext(thread=thread, store=self.store, request_context=context)
        result = Runner.run_streamed(self.agent, items, context=agent_context)
        async for event in stream_agent_response(agent_context, result):
            yield event


def application(database: str) -> FastAPI:
    postgres = "://" in database
    store = PostgresStore() if postgres else SqliteStore(database)
    server = Assistant(store)

    @asynccontextmanager
    async def opened(_: FastAPI) -> AsyncIterator[None]:
        if postgres:
            await store.open(database)
        yield

    app = FastAPI(lifespan=opened)

    @app.post("/chatkit")
    async def chatkit(request: Request) -> Response:
        context = Context(request.headers.get("x-user-id", "nobody"))
        result = await server.process(await request.body(), context)
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    @app.get("/readyz")
    async def readyz() -> Response:
        return Response("ready")

    return app


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--listen", required=True)
    arguments.add_argument("--database", required=True)
    arguments = arguments.parse_args()
    host, port = arguments.listen.rsplit(":", 1)
    uvicorn.run(
        application(arguments.database), host=host, port=int(port), access_log=False, log_level="warning"
    )


if __name__ == "__main__":
    main()
