"""AG-UI for agents of the OpenAI Agents SDK: one endpoint, about a hundred lines. Copy it and change it."""

import dataclasses
import json
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Any

from ag_ui.core import (
    BaseEvent,
    Interrupt,
    RunAgentInput,
    RunErrorEvent,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)
from ag_ui.encoder import EventEncoder
from agents import Agent, FunctionTool, Runner, RunState, StopAtTools
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

# Runs that wait for the user, by thread. Where the agent runs more than once, keep them in a database:
# RunState.to_string and RunState.from_string make text of them and back.
WAITING: OrderedDict[str, RunState] = OrderedDict()


def endpoint(agent: Agent, context: Callable[[dict], Any], path: str = "/agent") -> Starlette:
    """An application that runs this agent. `context` makes the run's context of `forwardedProps`."""

    async def run(request: Request) -> Response:
        try:
            asked = RunAgentInput.model_validate_json(await request.body())
        except ValidationError as error:
            return Response(error.json(include_url=False), status_code=422, media_type="application/json")
        encoder = EventEncoder()

        async def stream() -> AsyncIterator[str]:
            yield encoder.encode(RunStartedEvent(thread_id=asked.thread_id, run_id=asked.run_id))
            try:
                async for event in events(agent, context(asked.forwarded_props or {}), asked):
                    yield encoder.encode(event)
            except Exception as error:  # whatever it is, the stream must end with it
                yield encoder.encode(RunErrorEvent(message=str(error), code=type(error).__name__))

        return StreamingResponse(stream(), media_type=encoder.get_content_type())

    return Starlette(routes=[Route(path, run, methods=["POST"])])


async def events(agent: Agent, context: Any, asked: RunAgentInput) -> AsyncIterator[BaseEvent]:
    page_tools = [page_tool(tool) for tool in asked.tools or []]
    agent = dataclasses.replace(
        agent,
        tools=[*agent.tools, *page_tools],
        # What the page is to do ends the run; the next one has its result among the messages.
        tool_use_behavior=StopAtTools(stop_at_tool_names=[tool.name for tool in page_tools]),
    )
    waiting = WAITING.pop(asked.thread_id, None)
    if asked.resume and waiting:
        answers = {entry.interrupt_id: entry for entry in asked.resume}
        for item in waiting.get_interruptions():
            answer = answers.get(item.call_id)
            approved = answer and answer.status == "resolved" and (answer.payload or {}).get("approved") is True
            waiting.approve(item) if approved else waiting.reject(item)
        result = Runner.run_streamed(agent, waiting)
    else:
        result = Runner.run_streamed(agent, history(asked), context=context)
    message, of_page = None, set()  # the text that is being written, and calls that the page is to make
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            if message is None:
                message = str(uuid.uuid4())
                yield TextMessageStartEvent(message_id=message, role="assistant")
            yield TextMessageContentEvent(message_id=message, delta=event.data.delta)
        elif event.type == "run_item_stream_event":
            if message and event.name in ("message_output_created", "tool_called"):
                yield TextMessageEndEvent(message_id=message)
                message = None
            if event.name == "tool_called":
                call = event.item.raw_item
                if any(tool.name == call.name for tool in page_tools):
                    of_page.add(call.call_id)
                yield ToolCallStartEvent(tool_call_id=call.call_id, tool_call_name=call.name)
                yield ToolCallArgsEvent(tool_call_id=call.call_id, delta=call.arguments)
                yield ToolCallEndEvent(tool_call_id=call.call_id)
            elif event.name == "tool_output" and (call_id := event.item.raw_item["call_id"]) not in of_page:
                content = event.item.output if isinstance(event.item.output, str) else json.dumps(event.item.output)
                yield ToolCallResultEvent(message_id=f"{call_id}-result", tool_call_id=call_id, content=content)
    if message:
        yield TextMessageEndEvent(message_id=message)
    outcome = None
    if result.interruptions:
        WAITING[asked.thread_id] = result.to_state()
        while len(WAITING) > 1000:
            WAITING.popitem(last=False)
        outcome = RunFinishedInterruptOutcome(interrupts=[
            Interrupt(id=item.call_id, reason="tool_call", tool_call_id=item.call_id)
            for item in result.interruptions
        ])
    yield RunFinishedEvent(thread_id=asked.thread_id, run_id=asked.run_id, outcome=outcome)


def page_tool(tool: Any) -> FunctionTool:
    async def not_here(context: Any, arguments: str) -> str:
        return ""  # the page does it, after the run

    return FunctionTool(tool.name, tool.description, tool.parameters or {"type": "object", "properties": {}},
                        not_here, strict_json_schema=False)


def history(asked: RunAgentInput) -> list[dict]:
    """The messages as the SDK takes them."""
    items: list[dict] = []
    for message in asked.messages:
        if message.role == "tool":
            items.append({"type": "function_call_output", "call_id": message.tool_call_id, "output": text(message.content)})
        elif message.role in ("user", "assistant") and message.content:
            items.append({"role": message.role, "content": text(message.content)})
        for call in getattr(message, "tool_calls", None) or []:
            items.append({"type": "function_call", "call_id": call.id, "name": call.function.name,
                          "arguments": call.function.arguments})
    return items


def text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if part.type == "text")
