"""Runs the corpus against a server on the official SDK and against Parlor, and compares what they say.

Same fake model, same requests, over both model APIs; then the same scripts, which go through every event, update and
item. What differs and is not in `differences.toml` is a failure, and so
is what is listed there and does not occur. Run by `run.py`, or alone; with `--print` it prints all differences.
"""

import sys
from collections.abc import Iterator

import corpus
import scripted_corpus
from differences import Deliberate, compare
from harness import HERE, Process, Processes, run_case
from test_wire import Result, wire_results

APIS = ("responses", "chat_completions")


def start(processes: Processes, model: Process) -> dict[str, Process]:
    """The reference, and its counterparts: only one of them has documents."""
    servers = {"reference": processes.reference(model), "scripted": processes.scripted()}
    processes.ingest("search")
    servers["search"] = processes.parlor("search", OPENAI_BASE_URL=f"{model.url}/v1")
    for api in APIS:
        servers[api] = processes.parlor(
            f"{api}-without-documents",
            OPENAI_BASE_URL=f"{model.url}/v1",
            PARLOR_MODEL_API=api,
            PARLOR_SEARCH__ENABLED="false",
        )
    return servers


def results(processes: Processes, model: Process, printing: bool = False) -> Iterator[Result]:
    deliberate = Deliberate(HERE / "differences.toml")
    servers = start(processes, model)
    reference = servers["reference"].ready()
    corpora = dict.fromkeys(APIS, corpus.CASES) | {"search": corpus.SEARCHES, "scripted": scripted_corpus.CASES}
    for name, cases in corpora.items():
        asked = None if name == "scripted" else model
        sessions, wire = wire_results(f"{name}, as the reference", servers[name].ready(), asked, cases)
        yield from wire
        for case in cases:
            answered = run_case(case, f"{reference.url}/{name}", asked)
            found = []
            for label, line in compare(answered, sessions[case.__name__]):
                listed = deliberate.fits(f"{name}/{case.__name__}/{label}", line)
                if printing:
                    print(f"{'listed  ' if listed else 'UNLISTED'} {name}/{case.__name__}/{label}: {line}")
                if not listed:
                    found.append(f"{label}: {line}")
            yield f"difference: {name}: {case.__name__}", found
    yield "difference: every listed difference occurs", deliberate.unmet()


if __name__ == "__main__":
    import run

    with Processes() as processes:
        raise SystemExit(run.report(results(processes, processes.fake_model(), "--print" in sys.argv)))
