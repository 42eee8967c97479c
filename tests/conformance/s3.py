"""Runs the tests of files in a bucket against a service that speaks S3 (moto's).

    .cache/venv/bin/python tests/conformance/s3.py

Starts the service on a free port of the loopback address, makes the bucket, and runs the tests of
`crates/store/tests/s3.rs` that need it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import requests
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).resolve().parents[2]

# Long for a small and busy machine.
PATIENCE_SECONDS = 120


def main() -> int:
    # The service is on this machine: a proxy is not the way to it.
    os.environ |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        requests.put(f"{address}/parlor", timeout=PATIENCE_SECONDS).raise_for_status()
        command = ["cargo", "test", "--quiet", "-p", "parlor-store", "--test", "s3", "--", "--include-ignored"]
        result = subprocess.run(command, cwd=ROOT, env=os.environ | {"PARLOR_TEST_S3": address}, check=False)
        # An upload that broke off must not be left in the service's own books either.
        uploads = requests.get(f"{address}/parlor?uploads", timeout=PATIENCE_SECONDS).text
        if "<Upload>" in uploads:
            print("uploads were left open in the bucket", file=sys.stderr)
            return 1
        return result.returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
