"""Runs the tests of MCP tools against a server on the official Python SDK.

    .cache/venv/bin/python tests/conformance/mcp_servers.py           # start it, and run the tests
    .cache/venv/bin/python tests/conformance/mcp_servers.py --stdio   # be the server, on standard input and output

Over HTTP the server is on a free port of the loopback address, at `/mcp`. `crates/agent/tests/mcp.rs` are the tests.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

ROOT = Path(__file__).resolve().parents[2]

# Long for a small and busy machine.
PATIENCE_SECONDS = 120

server = MCPServer("test", log_level="WARNING")


def caller(context: Context) -> str:
    """Who is asking, by the headers of this very request."""
    request = context.request_context.request
    return request.headers.get("authorization", "nobody") if request is not None else "stdio"


@server.tool(title="Who am I")
async def whoami(context: Context) -> str:
    """Says whose token the call came with."""
    before = caller(context)
    # Calls of several users are under way at once.
    await asyncio.sleep(0.05)
    assert caller(context) == before
    return f"You are {before.removeprefix('Bearer token-of-')}."


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Fails."""
    raise RuntimeError("the moon is full")


@server.tool()
async def hang() -> str:
    """Never answers."""
    await asyncio.sleep(3600)
    return "never"


@server.tool()
def flood() -> str:
    """Answers with a megabyte, which is sent twice: as text and as a structure."""
    return "x" * (1024 * 1024)


@server.tool()
def environment() -> str:
    """Names the variables of the environment."""
    return " ".join(f"{name}={value}" for name, value in sorted(os.environ.items()))


@server.tool()
def die() -> str:
    """Ends the process."""
    os._exit(1)


def serve() -> str:
    """Starts the server on a free port, and gives its address."""
    # The service is on this machine: a proxy is not the way to it.
    os.environ |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = server.streamable_http_app()
    service = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=service.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not service.started:
        if time.monotonic() > deadline:
            raise SystemExit("the MCP server did not start")
        time.sleep(0.05)
    return f"http://127.0.0.1:{port}/mcp"


def main() -> int:
    url = serve()
    command = ["cargo", "test", "--quiet", "-p", "parlor-agent", "--test", "mcp", "--", "--include-ignored"]
    environment = os.environ | {
        "PARLOR_TEST_MCP_URL": url,
        "PARLOR_TEST_MCP_PROGRAM": sys.executable,
        "PARLOR_TEST_MCP_SCRIPT": str(Path(__file__).resolve()),
        "PARLOR_TEST_SECRET": "not to be passed on",
    }
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    if "--stdio" in sys.argv:
        server.run("stdio")
    else:
        sys.exit(main())
