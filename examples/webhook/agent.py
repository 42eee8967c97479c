"""An agent behind a webhook, with Python's standard library alone: python agent.py 9000"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["PARLOR_WEBHOOK_SECRET"].encode()
ORDERS = {"A-1700": "left the warehouse this morning", "A-1701": "waits for the walnut veneer"}


def is_signed(body: bytes, header: str) -> bool:
    seconds, _, signature = header.removeprefix("t=").partition(",v1=")
    expected = hmac.new(SECRET, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature) and abs(time.time() - int(seconds)) < 300


def answer(asked: dict) -> dict:
    """What to say: `text`, and whatever else the answer is made of."""
    if asked["type"] == "ping":  # parlor doctor
        return {}
    if asked["type"] == "decision":
        decision = asked["decisions"][0]
        done = decision["decision"] == "approved"
        return {"text": f"Order {decision['arguments']['number']} was {'cancelled' if done else 'left as it is'}."}
    if asked["type"] == "tool_output":
        return {"text": f"You are in {asked['tool_output']['output']['city']}."}
    text = (asked["message"] or {}).get("text", "")
    number = next((word.strip(".?!") for word in text.split() if word.startswith("A-")), None)
    if number and "cancel" in text.lower():
        return {"approval": {"id": number, "title": f"Cancel order {number}?", "arguments": {"number": number}}}
    if number and number in ORDERS:
        return {"tool": {"name": "order_status"}, "text": f"Order {number} {ORDERS[number]}."}
    if "where am i" in text.lower():
        return {"client_tool": {"name": "locate", "arguments": {}}}
    if "break" in text.lower():
        raise RuntimeError("it broke")
    if asked["history"]:
        return {"text": f"You asked before: {asked['history'][-2]['text']}"}
    return {"text": f"Hello {asked['user'].get('name', 'there')}, you are reading {asked['page'].get('title')}."}


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, said = 401, {}
        if is_signed(body, self.headers.get("Parlor-Signature", "")):
            try:
                status, said = 200, answer(json.loads(body))
            except Exception as error:
                print(repr(error), file=sys.stderr)
                status = 500
        said = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Webhook)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
