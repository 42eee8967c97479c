"""The published contract: what the JSON Schema of the protocol takes, and what not."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

CONTRACT = Path(__file__).resolve().parents[2] / "contract"
SCHEMA = json.loads((CONTRACT / "chatkit.schema.json").read_text())
DEFINITIONS: dict[str, Any] = SCHEMA["$defs"]


@cache
def _validator(definition: str) -> Draft202012Validator:
    if definition not in DEFINITIONS:
        raise KeyError(f"the schema defines no {definition}")
    schema = {"$ref": f"#/$defs/{definition}", "$defs": DEFINITIONS}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def is_valid(definition: str, value: Any) -> bool:
    return _validator(definition).is_valid(value)


def problem_of(definition: str, value: Any) -> str | None:
    """What is wrong with a value, if something is."""
    error = best_match(_validator(definition).iter_errors(value))
    return error and f"is no {definition} of the contract: {error.json_path}: {error.message[:300]}"


def definition_of_answer(operation: str) -> str:
    """The definition of what an operation answers that doesn't stream."""
    return DEFINITIONS["JsonResults"]["properties"][operation]["$ref"].removeprefix("#/$defs/")
