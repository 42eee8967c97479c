"""The published contract: what the JSON Schema of the protocol and the OpenAPI document take, and what not."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

CONTRACT = Path(__file__).resolve().parents[2] / "contract"
SCHEMA = json.loads((CONTRACT / "chatkit.schema.json").read_text())
DEFINITIONS: dict[str, Any] = SCHEMA["$defs"]
OPENAPI = json.loads((CONTRACT / "openapi.json").read_text())


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


@cache
def _refusal_validator(status: int) -> Draft202012Validator | None:
    described = OPENAPI["paths"]["/chatkit"]["post"]["responses"].get(str(status))
    if described is None:
        return None
    schema = described["content"]["application/json"]["schema"]
    return Draft202012Validator(schema | {"components": OPENAPI["components"]})


def problem_of_refusal(status: int, body: Any) -> str | None:
    """What is wrong with an error of `/chatkit`: its status and code must be in the OpenAPI document."""
    validator = _refusal_validator(status)
    if validator is None:
        return f"has the status {status}, which the contract does not describe"
    error = best_match(validator.iter_errors(body))
    return error and f"is none of those with {status} in the contract: {error.json_path}: {error.message[:300]}"


def definition_of_answer(operation: str) -> str:
    """The definition of what an operation answers that doesn't stream."""
    return DEFINITIONS["JsonResults"]["properties"][operation]["$ref"].removeprefix("#/$defs/")
