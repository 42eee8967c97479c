"""Runs the tests of what the real server does when things go wrong.

    .cache/venv/bin/python tests/behaviour/run.py [PART…]

Builds nothing: `PARLOR_BIN` and `FAKE_MODEL_BIN` name the programs; by default the debug builds.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))

import clock
import crash
import outages
import proxies
import replicas
import tools
import turns
from harness import Processes

PARTS = {"turns": turns, "clock": clock, "crash": crash, "outages": outages, "proxies": proxies, "replicas": replicas, "tools": tools}


def run(name: str) -> bool:
    """Runs a part with servers of its own; says whether all of it passed."""
    started, passed, failed = time.monotonic(), 0, 0
    lines = []
    try:
        with Processes() as processes:
            for title, problems in PARTS[name].results(processes, processes.fake_model()):
                passed += not problems
                failed += bool(problems)
                if problems:
                    lines += [f"FAILED {title}", *(f"  - {problem}" for problem in problems)]
    except SystemExit as missing:
        lines.append(f"FAILED {name}: {missing}")
        failed += 1
    print("\n".join([*lines, f"{name}: {passed} passed, {failed} failed in {time.monotonic() - started:.0f} s"]))
    return bool(passed) and not failed


def main(chosen: list[str]) -> int:
    # Side by side: most of their time is spent waiting.
    with ThreadPoolExecutor() as pool:
        passed = list(pool.map(run, chosen or PARTS))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
