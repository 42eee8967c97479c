"""Runs the corpus against a server on the official SDK and against Parlor, and compares what they say.

Same fake model, same requests, over both model APIs. What differs and is not in `differences.toml` is a failure, and so
is what is listed there and does not occur. Run by `run.py`, or alone; with `--print` it prints all differences.
"""

import sys
from collections.abc import Iterator

import corpus
from differences import Deliberate, compare
from harness import HERE, Process, Processes, run_case
from test_wire import Result, wire_results

APIS = ("responses", "chat_completions")


def start(processes: Processes, model: Process) -> dict[str, Process]:
    """The reference, and a Parlor for each API, without documents: the reference has none either."""
    servers = {"reference": processes.reference(model)}
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
    for api in APIS:
        sessions, wire = wire_results(f"{api} without documents", servers[api].ready(), model, corpus.CASES)
        yield from wire
        for case in corpus.CASES:
            answered = run_case(case, f"{reference.url}/{api}", model)
            found = []
            for label, line in compare(answered, sessions[case.__name__]):
                listed = deliberate.fits(f"{api}/{case.__name__}/{label}", line)
                if printing:
                    print(f"{'listed  ' if listed else 'UNLISTED'} {api}/{case.__name__}/{label}: {line}")
                if not listed:
                    found.append(f"{label}: {line}")
            yield f"difference: {api}: {case.__name__}", found
    yield "difference: every listed difference occurs", deliberate.unmet()


if __name__ == "__main__":
    import run

    with Processes() as processes:
        raise SystemExit(run.report(results(processes, processes.fake_model(), "--print" in sys.argv)))
