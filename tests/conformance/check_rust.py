"""Validates JSON that the Rust types write with the official ChatKit models.

Run it in a virtual environment with `requirements.txt`:

    cargo run -q -p parlor-protocol --example dump | python tests/conformance/check_rust.py

Every line is `{"union": <name of an official type>, "json": <value>}`. The script fails when a
value is not valid, when it loses a field on its way through the official model, when a widget
component that the model knows is only taken for a dynamic one, or when a member of a union is
in no line.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any, get_args

warnings.simplefilter("ignore")  # The SDK deprecates direct use of its widget classes.

from pydantic import BaseModel, TypeAdapter, ValidationError  # noqa: E402

from chatkit import actions, types, widgets  # noqa: E402

UNIONS: dict[str, Any] = {
    "ActionConfig": actions.ActionConfig,
    "Attachment": types.Attachment,
    "ChatKitReq": types.ChatKitReq,
    "DynamicWidgetComponent": widgets.DynamicWidgetComponent,
    "Page[ThreadItem]": types.Page[types.ThreadItem],
    "Page[Thread]": types.Page[types.Thread],
    "Source": types.Source,
    "StructuredInput": types.StructuredInput,
    "SyncCustomActionResponse": types.SyncCustomActionResponse,
    "Task": types.Task,
    "Thread": types.Thread,
    "ThreadItem": types.ThreadItem,
    "ThreadItemUpdate": types.ThreadItemUpdate,
    "ThreadMetadata": types.ThreadMetadata,
    "ThreadStreamEvent": types.ThreadStreamEvent,
    "TranscriptionResult": types.TranscriptionResult,
    # Without their dynamic members, which take anything.
    "WidgetComponent": widgets.StrictWidgetComponent,
    "WidgetRoot": widgets.StrictWidgetRoot,
}

# What Parlor adds to an official type; official clients ignore it.
OURS = {
    "error": {"reason", "request_id", "retry_after"},
    "file": {"download_url"},
    "image": {"download_url"},
}


def members(union: Any) -> set[str]:
    """Names of the models in a union, through annotations and nested unions."""
    if isinstance(union, type) and issubclass(union, BaseModel):
        return {union.__name__}
    return set().union(*(members(arg) for arg in get_args(union)))


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """Fields that are in `before` and not, or not the same, in `after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        ours = OURS.get(before.get("type"), set())
        return [
            problem
            for key, value in before.items()
            if key not in ours
            for problem in (
                lost(value, after[key], f"{path}.{key}") if key in after else [f"{path}.{key} is lost"]
            )
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [p for i, (b, a) in enumerate(zip(before, after)) for p in lost(b, a, f"{path}[{i}]")]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


def main() -> int:
    problems: list[str] = []
    met: dict[str, set[str]] = {}
    lines = 0
    for line in sys.stdin:
        lines += 1
        case = json.loads(line)
        name = case["union"]
        adapter = TypeAdapter(UNIONS[name])
        try:
            value = adapter.validate_json(json.dumps(case["json"]))
        except ValidationError as error:
            problems.append(f"{name} {case['json'].get('type', '')}: {error}")
            continue
        met.setdefault(name, set()).add(type(value).__name__)
        after = json.loads(adapter.dump_json(value, by_alias=True, exclude_none=True))
        problems += [f"{name} {case['json'].get('type', '')}{p}" for p in lost(case["json"], after)]
    for name, union in UNIONS.items():
        missing = members(union) - met.get(name, set())
        if missing:
            problems.append(f"{name}: no value of {', '.join(sorted(missing))}")
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    print(f"{lines} values written by Rust are valid for the official models")
    return 0


if __name__ == "__main__":
    sys.exit(main())
