"""Runs the conformance tests of the running server: what it says, and how it differs from the reference.

    .cache/venv/bin/python tests/conformance/run.py

Builds nothing: `PARLOR_BIN`, `FAKE_MODEL_BIN` and `SCRIPTED_BIN` name the programs; by default the debug builds.
"""

import sys
from collections.abc import Iterable

import test_contract
import test_difference
import test_wire
from harness import Processes


def report(results: Iterable[tuple[str, list[str]]]) -> int:
    """Prints what failed and how many; gives the exit code."""
    passed = failed = 0
    for name, problems in results:
        if problems:
            failed += 1
            print(f"FAILED {name}")
            for problem in problems:
                print(f"  - {problem}")
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def results(processes: Processes) -> Iterable[tuple[str, list[str]]]:
    model = processes.fake_model()
    yield from test_wire.results(processes, model)
    yield from test_difference.results(processes, model)
    yield from test_contract.results(processes, model)


if __name__ == "__main__":
    with Processes() as processes:
        sys.exit(report(results(processes)))
