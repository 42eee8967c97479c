"""The real server behind a real nginx: answers stream, and silence does not end them.

Once with nothing but `proxy_pass`, buffering and gzip as nginx has them by default; and with every nginx block of the
documentation and the file for deployment, word for word but for addresses.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import requests
from harness import PATIENCE_SECONDS, ROOT, Process, Processes, Session
from corpus import message
from turns import items, script, text_of

Result = tuple[str, list[str]]

# nginx gives up a silent server after so long; Parlor says something every 15 seconds.
READ_TIMEOUT_SECONDS = 25
SILENCE_SECONDS = 29


class Nginx:
    """An nginx of one's own, with this inside `http`."""

    def __init__(self, processes: Processes, name: str, http: str):
        self.process: subprocess.Popen | None = None
        places = [os.environ["PATH"], "/usr/sbin", "/usr/local/sbin", str(ROOT / ".cache/debian/usr/sbin")]
        program = shutil.which("nginx", path=os.pathsep.join(places))
        if program is None:
            raise SystemExit("nginx is missing: run `make setup`")
        folder = Path(processes.folder) / f"nginx-{name}"
        folder.mkdir()
        self.log = folder / "error.log"
        processes.running.append(self)
        # The port may be taken between the look and the start.
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            if self._start(program, folder, port, http):
                return
        configuration = (folder / "nginx.conf").read_text()
        raise SystemExit(f"nginx did not start:\n{self.log.read_text()}\n{configuration}")

    def _start(self, program: str, folder: Path, port: int, http: str) -> bool:
        self.url = f"http://127.0.0.1:{port}"
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # One process, with the rights of whoever runs the tests.
        configuration = (
            f"daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{temporary}{http.replace('LISTEN', f'127.0.0.1:{port}')}\n}}\n"
        )
        (folder / "nginx.conf").write_text(configuration)
        command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(self.log)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return True
            except (ConnectionRefusedError, TimeoutError):
                time.sleep(0.02)
        self.stop()
        return False

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def documented(parlor: str, folder: str) -> Iterator[tuple[str, str]]:
    """The nginx blocks of the documentation, as configurations that run here."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        for number, block in enumerate(re.findall(r"```nginx\n(.*?)```", page.read_text(), re.DOTALL), 1):
            block = block.replace("http://127.0.0.1:8000", parlor)
            if "server {" not in block:
                block = f"server {{\nlisten LISTEN;\n{block}}}\n"
            users = Path(folder) / "users"
            users.write_text("ada:{PLAIN}secret\n")
            block = without_tls(block).replace("/etc/nginx/users", str(users))
            yield f"{page.stem}-{number}", block


def without_tls(configuration: str) -> str:
    """As it is where there are no certificates."""
    configuration = re.sub(r"^ +ssl_certificate.*\n", "", configuration, flags=re.MULTILINE)
    return configuration.replace("listen 443 ssl;", "listen LISTEN;")


def deployed(parlor: str) -> str:
    """The nginx file for deployment, word for word but for addresses and certificates."""
    text = without_tls((ROOT / "deploy/nginx.conf").read_text())
    return text.replace("server 127.0.0.1:8000;", f"server {parlor.removeprefix('http://')};")


def streams(s: Session, silent_for: float = 0, **headers: str) -> list[str]:
    """Asks, and is silent in the middle of the answer. Gives what went wrong."""
    half = {"step": "text", "text": "The first half, "}
    rest = {"step": "text", "text": "and the second."}
    s.script(script(half, {"step": "hold", "name": f"hold of {s.name}"}, rest, when=s.name))
    try:
        live = s.open("create", "threads.create", {"input": message(f"Tell me, {s.name}")}, headers=headers)
    except requests.exceptions.RequestException as failure:
        return [f"no answer begins: {failure}"]
    exchange = live.exchange
    if exchange.status != 200:
        return [f"refused: {exchange.status}"]
    if exchange.headers.get("content-encoding"):
        return [f"the stream is compressed: {exchange.headers}"]
    # The model waits: what comes now was not collected on the way.
    try:
        live.until(lambda exchange: "half" in str(exchange.events))
        before = time.monotonic()
        if silent_for:
            live.until(lambda exchange: "keep-alive" in exchange.comments)
            time.sleep(max(0, silent_for - (time.monotonic() - before)))
    except AssertionError as ended:
        return [str(ended)]
    s.release(f"hold of {s.name}")
    live.finish()
    problems = list(exchange.problems)
    if exchange.broken or exchange.comments[-1:] != ["end done"]:
        problems.append(f"the stream broke off; its comments are {exchange.comments}")
    answers = [text_of(item) for item in exchange.items("assistant_message")]
    if answers != ["The first half, and the second."]:
        problems.append(f"the answers are {answers}")
    return problems


def results(processes: Processes, model: Process) -> Iterator[Result]:
    address = {"OPENAI_BASE_URL": f"{model.url}/v1", "PARLOR_SEARCH__ENABLED": "false"}
    server = processes.parlor("proxied", **address).ready()

    plain = f"gzip on;\nproxy_read_timeout {READ_TIMEOUT_SECONDS}s;\n"
    plain += f"server {{\nlisten LISTEN;\nlocation / {{ proxy_pass {server.url}; }}\n}}\n"
    nginx = Nginx(processes, "plain", plain)
    yield "proxies: nginx without any setting streams", streams(Session("plain", f"{nginx.url}/chatkit", model))
    session = Session("silent", f"{nginx.url}/chatkit", model)
    yield f"proxies: {SILENCE_SECONDS} s of silence behind nginx", streams(session, SILENCE_SECONDS)

    greedy = plain.replace("gzip on;", "gzip on;\ngzip_types *;\ngzip_proxied any;\ngzip_min_length 0;")
    nginx = Nginx(processes, "greedy", greedy)
    session = Session("greedy", f"{nginx.url}/chatkit", model)
    problems = streams(session, **{"Accept-Encoding": "identity"})
    yield "proxies: nginx that compresses everything streams to those who take it as it is", problems

    # It lets nobody say who they are.
    anonymous = processes.parlor("deployed", PARLOR_AUTH="anonymous", **address).ready()
    nginx = Nginx(processes, "deployed", deployed(anonymous.url))
    yield "proxies: the nginx file for deployment streams", streams(Session("deployed", f"{nginx.url}/chatkit", model))

    found = 0
    for name, configuration in documented(server.url, processes.folder):
        found += 1
        nginx = Nginx(processes, name, configuration)
        session = Session(name, f"{nginx.url}/chatkit", model)
        signs_in = "auth_basic" in configuration
        if not signs_in:
            yield f"proxies: the nginx block {name} of the documentation streams", streams(session)
            continue
        refused = session.send("nobody", "threads.list", {}).status
        basic = {"Authorization": requests.auth._basic_auth_str("ada", "secret")}
        problems = [] if refused == 401 else [f"nobody gets {refused}"]
        problems += streams(session, **basic, **{"X-User-ID": "mallory"})
        # Whose it is: asked past nginx.
        for user, expected in (("ada", 1), ("mallory", 0)):
            listed = Session(user, f"{server.url}/chatkit", model).send("list", "threads.list", {}).body["data"]
            if len(listed) != expected:
                problems.append(f"{user} has {len(listed)} threads, expected {expected}")
        yield f"proxies: the nginx block {name} of the documentation signs in and streams", problems
    yield "proxies: the documentation shows nginx blocks", [] if found >= 3 else [f"only {found} were found"]
