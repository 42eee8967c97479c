"""Holds the published JSON Schema against the recorded fixtures, and against what the Rust types write.

    cargo run -q -p parlor-protocol --example dump | python tests/conformance/check_schema.py

- Every fixture is valid, and has no field that the schema doesn't name.
- Every fixture that is broken in one place (a required field is missing, a field is of another type) is not.
- What the official models require is required.
- A `type` that the schema doesn't know is valid wherever the protocol is open.
- Every line of the dump is valid.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from chatkit import actions, types, widgets
from jsonschema import Draft202012Validator

from contract import DEFINITIONS, SCHEMA, is_valid, problem_of

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/protocol"

# Official models whose definition has another name. Widgets and requests follow a rule.
NAMES = {
    "ActiveStatus": "ThreadStatus",
    "AssistantMessageContentPartAdded": "ContentPartAdded",
    "AssistantMessageContentPartAnnotationAdded": "ContentPartAnnotationAdded",
    "AssistantMessageContentPartDone": "ContentPartDone",
    "AssistantMessageContentPartTextDelta": "ContentPartTextDelta",
    "BasicRoot": "WidgetBasic",
    "ChatKitReq": "Request",
    "ClosedStatus": "ThreadStatus",
    "DynamicWidgetComponent": "WidgetComponent",
    "DynamicWidgetRoot": "WidgetRoot",
    "Icon": "WidgetIcon",
    "LockedStatus": "ThreadStatus",
    "Page[ThreadItem]": "ThreadItemPage",
    "Page[Thread]": "ThreadPage",
    "SDKHiddenContextItem": "SdkHiddenContextItem",
    "StructuredInputMultipleChoiceOption": "StructuredInputOption",
    "URLSource": "UrlSource",
}

# Models whose values a client sends: what has a default may be left out.
SENT_BY_CLIENTS = {"UserMessageInput", "StructuredInputSubmission", "StructuredInputAnswerSubmission"}

# Unions that take a `type` of a newer server.
OPEN = [
    "Attachment",
    "Series",
    "Source",
    "StructuredInput",
    "Task",
    "ThreadItem",
    "ThreadItemUpdate",
    "ThreadStreamEvent",
    "UserMessageContent",
    "WidgetComponent",
    "WidgetRoot",
]

# Fields that hold anything at all.
ANYTHING = {
    ("Action", "payload"),
    ("ActionConfig", "payload"),
    ("ClientToolCallItem", "output"),
    ("FileAttachment", "metadata"),
    ("HiddenContextItem", "content"),
    ("ImageAttachment", "metadata"),
}


# Fields that may be left out though the official models require them: published samples leave out the first two, the
# models themselves the last one where it is null.
LENIENT = {
    ("UserMessageInput", "attachments"),
    ("UserMessageInput", "inference_options"),
    ("ThreadsListReq", "params"),
    ("Transition", "children"),
}


def required_by(model: str) -> Iterator[str]:
    """Names of the fields that an official model requires, as they are on the wire."""
    for module in (types, widgets, actions):
        if fields := getattr(getattr(module, model, None), "model_fields", None):
            for name, field in fields.items():
                # What may be null is left out where it is.
                nullable = type(None) in get_args(field.annotation)
                if field.is_required() and not nullable and (model, name) not in LENIENT:
                    yield field.serialization_alias or field.alias or name
            return


def definition_of(model: str) -> str:
    if model in NAMES:
        return NAMES[model]
    if model.endswith("Req"):
        return model + "uest"
    return model if model in DEFINITIONS else f"Widget{model}"


def fixtures() -> Iterator[tuple[str, str, str, Any]]:
    """File, name, model and value of every case: as a client sends it, or as a server does."""
    for path in sorted(FIXTURES.glob("*.json")):
        for case in json.loads(path.read_text())["cases"]:
            sent = case["model"].endswith("Req") or case["model"] in SENT_BY_CLIENTS
            value = case["json"] if sent else case.get("written_as", case["json"])
            yield path.stem, case["name"], case["model"], value


def unions_with(definition: str) -> Iterator[str]:
    """The unions that a definition is an arm of."""
    arm = {"$ref": f"#/$defs/{definition}"}
    for name, schema in DEFINITIONS.items():
        if arm in schema.get("oneOf", []) or arm in schema.get("anyOf", []):
            yield name


def broken(model: str, definition: str, value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The value with one mistake each."""
    schema = DEFINITIONS[definition]
    for name in schema.get("required", []):
        yield f"without {name}", {key: kept for key, kept in value.items() if key != name}
    for name in value:
        if (model, name) not in ANYTHING and name in schema.get("properties", {}):
            # No field takes both.
            wrong = {"?": [[1]]} if isinstance(value[name], list) else [[1]]
            yield f"with another type of {name}", value | {name: wrong}


def check_fixtures() -> Iterator[str]:
    tried = refused = 0
    for file, name, model, value in fixtures():
        definition = definition_of(model)
        place = f"{file}: {name}"
        if problem := problem_of(definition, value):
            yield f"{place}: {problem}"
            continue
        unions = list(unions_with(definition))
        for union in unions:
            if problem := problem_of(union, value):
                yield f"{place}: {problem}"
        if not isinstance(value, dict) or model.startswith("Dynamic") or "properties" not in DEFINITIONS[definition]:
            continue
        if unknown := set(value) - set(DEFINITIONS[definition]["properties"]):
            yield f"{place}: {definition} names no {', '.join(sorted(unknown))}"
        if optional := set(required_by(model)) - set(DEFINITIONS[definition].get("required", [])):
            yield f"{place}: {definition} does not require {', '.join(sorted(optional))}"
        for mistake, spoiled in broken(model, definition, value):
            tried += 1
            # A widget may have any shape, so that only its own definition refuses it.
            closed = [union for union in unions if "type" in spoiled and union in OPEN and "Widget" not in union]
            taken = [name for name in (definition, *closed) if is_valid(name, spoiled)]
            if taken:
                yield f"{place} {mistake} is still a {' and a '.join(taken)}"
            refused += not taken
    if refused < 1000:
        yield f"only {refused} of {tried} broken values were refused; are there fewer fixtures?"


def check_open_unions() -> Iterator[str]:
    for union in OPEN:
        if problem := problem_of(union, {"type": "hologram", "depth": {"z": 3}}):
            yield f"an unknown type: {problem}"
        for value in ({}, {"type": 5}, [], None, "text"):
            if is_valid(union, value):
                yield f"{json.dumps(value)} is a {union}"
    for operation in ("threads.fly", "", None):
        if is_valid("Request", {"type": operation, "params": {}}):
            yield f"the operation {operation!r} is a Request"


def check_dump(lines: Iterator[str]) -> Iterator[str]:
    count = 0
    for line in lines:
        case = json.loads(line)
        count += 1
        if problem := problem_of(definition_of(case["union"]), case["json"]):
            yield f"the Rust types write what {problem}: {json.dumps(case['json'])[:300]}"
    if count < 100:
        yield f"the dump has only {count} lines"


def main() -> int:
    Draft202012Validator.check_schema(SCHEMA)
    problems = [*check_fixtures(), *check_open_unions(), *check_dump(iter(sys.stdin))]
    for problem in problems:
        print(f"- {problem}")
    print(f"The schema has {len(problems)} problems" if problems else "The schema agrees with fixtures and types")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
