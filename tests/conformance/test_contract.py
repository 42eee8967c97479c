"""The running server and the OpenAPI document that it publishes: the document is valid, is what is committed, and is
true of the answers to thousands of generated requests.

Run by `run.py`, or alone.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import requests
from openapi_spec_validator import validate

from contract import OPENAPI
from harness import PATIENCE_SECONDS, Process, Processes

Result = tuple[str, list[str]]

# Generated requests to each address in each phase. They are the same ones in every run, and end early on a slow machine.
FUZZ_EXAMPLES = 30
FUZZ_SECONDS = 60

# What is not checked, and why.
EXCLUDED = [
    # 422 is for requests that are understood and not acceptable: an empty message, a title of blanks.
    "positive_data_acceptance",
]


def the_document_is_valid() -> list[str]:
    try:
        validate(OPENAPI)
    except Exception as error:  # The library has many kinds.
        return [f"contract/openapi.json: {type(error).__name__}: {str(error)[:1000]}"]
    return []


def the_document_is_served(parlor: Process) -> list[str]:
    url = f"{parlor.url}/openapi.json"
    first = requests.get(url, timeout=PATIENCE_SECONDS)
    problems = []
    if first.json() != OPENAPI:
        problems.append("what is served is not contract/openapi.json; run `make contract`, or build the server")
    again = requests.get(url, headers={"If-None-Match": first.headers["etag"]}, timeout=PATIENCE_SECONDS)
    if (again.status_code, again.content) != (304, b""):
        problems.append(f"asked again with its entity tag it is {again.status_code}, not 304")
    return problems


def every_address_takes_its_methods_and_no_other(parlor: Process) -> list[str]:
    problems = []
    for path, methods in OPENAPI["paths"].items():
        for method in ("get", "post", "put", "delete"):
            answer = requests.request(method, parlor.url + re.sub(r"{\w+}", "x", path), timeout=PATIENCE_SECONDS)
            if (answer.status_code == 405) == (method in methods):
                problems.append(f"{method} {path}: {answer.status_code}, described are {', '.join(methods)}")
    return problems


def generated_requests_are_answered_as_described(parlor: Process) -> list[str]:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{parlor.url}/openapi.json"]
    command += ["--header", "X-User-ID: fuzz", "--phases", "examples,coverage,fuzzing", "--workers", "1"]
    command += ["--max-examples", str(FUZZ_EXAMPLES), "--max-time", str(FUZZ_SECONDS), "--generation-deterministic"]
    command += ["--exclude-checks", ",".join(EXCLUDED), "--continue-on-failure", "--request-timeout", "60"]
    # It says nothing about the server that data is slow to be made.
    command += ["--suppress-health-check", "too_slow", "--warnings", "off", "--no-color"]
    run = subprocess.run(command, cwd=os.path.dirname(parlor.log), capture_output=True, text=True, check=False)
    count = re.search(r"(\d+) generated", run.stdout)
    if run.returncode or not count or int(count[1]) < 100:
        return [run.stdout[run.stdout.find("= FAILURES") :] + run.stderr]
    print(f"  {count[1]} generated requests were answered as the document says")
    return []


def results(processes: Processes, model: Process) -> Iterator[Result]:
    parlor = processes.parlor(
        "contract", OPENAI_BASE_URL=f"{model.url}/v1", PARLOR_MODEL="fake", OPENAI_API_KEY="none"
    ).ready()
    requests.post(f"{model.url}/control/reset", timeout=PATIENCE_SECONDS).raise_for_status()
    yield "contract: the document is valid", the_document_is_valid()
    yield "contract: the document is served", the_document_is_served(parlor)
    yield "contract: every address takes its methods", every_address_takes_its_methods_and_no_other(parlor)
    yield "contract: generated requests", generated_requests_are_answered_as_described(parlor)


if __name__ == "__main__":
    from run import report

    with Processes() as processes:
        sys.exit(report(results(processes, processes.fake_model())))
