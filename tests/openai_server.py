"""A server of OpenAI's chat completions on loopback that does what a script says: answers, limits, fails, stalls, drops, babbles.

A script is a sequence of words, one a request; when it is used up, every request is answered. What it saw is kept: the
prompts asked for, and those whose answer went out whole.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WRONG_KEY, MODEL = "a wrong key", "judge-1"
STATUS = {"429": (429, "slow down"), "500": (500, "the server is ill"), "503": (503, "overloaded"),
          "400": (400, "too long a prompt"), "quota": (429, "no credit left"),
          "setting": (400, "Unsupported value: 'temperature'"), "pinned": (400, "this server has no judge-1")}
CODES = {"quota": "insufficient_quota", "setting": "unsupported_value"}


@dataclass
class Script:
    """The next word for each request; after `most` answers the rest is kept back until `release` is set."""

    words: Sequence[str] = ()
    retry_after: str = "7"
    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    most: int = 10**9
    release: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, prompt: str) -> str:
        with self.lock:
            self.asked.append(prompt)
            n = len(self.asked) - 1
            return self.words[n] if n < len(self.words) else "answer"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Authorization"].removeprefix("Bearer ")
        if self.path != "/v1/chat/completions":
            return self.send(404, "<html>no such page</html>", "text/html")
        if key == WRONG_KEY:
            return self.fault(401, f"Incorrect API key provided: {key}.", "invalid_api_key")
        if asked["model"] != MODEL:
            return self.fault(404, f"The model `{asked['model']}` does not exist.", "model_not_found")
        self.act(self.script.next(asked["messages"][-1]["content"]), asked, key)

    def act(self, word: str, asked: dict, key: str) -> None:
        if word == "answer":
            self.answer(asked, "Good. Rating: [[7]]")
        elif word == "empty":
            self.send(200, json.dumps(completion(None)))
        elif word == "blank":
            self.answer(asked, "")
        elif word == "garbage":
            self.send(200, "}{ not json")
        elif word == "page":
            self.send(200, "<html>a login page</html>", "text/html")
        elif word == "stall":
            self.script.over.wait(30)
            self.close_connection = True
        elif word == "drop":
            self.connection.close()
            self.close_connection = True
        elif word == "half":
            self.send(200, '{"choices": [', length=5000)
            self.close_connection = True
        else:
            status, text = STATUS[word]
            self.fault(status, f"{text}; your key was {key}", CODES.get(word))

    def answer(self, asked: dict, text: str) -> None:
        if len(self.script.answered) >= self.script.most:
            self.script.release.wait(30)
        self.send(200, json.dumps(completion(text)))
        if text:
            with self.script.lock:
                self.script.answered.append(asked["messages"][-1]["content"])

    def fault(self, status: int, text: str, code: str | None) -> None:
        self.send(status, json.dumps({"error": {"message": text, "type": "error", "code": code}}))

    def send(self, status: int, text: str, kind: str = "application/json", length: int | None = None) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(content)))
        if status == 429:
            self.send_header("Retry-After", self.script.retry_after)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        """Silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed, or a connection that was dropped, is part of the script."""


def completion(text: str | None) -> dict:
    """None: an empty list of choices."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [] if text is None else [choice]}


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """The base URL of a server that follows the script."""
    server = Server(("127.0.0.1", 0), type("Scripted", (Handler,), {"script": script}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        script.over.set()
        script.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def until(ready: Callable[[], bool]) -> None:
    """Waits; fails after a minute."""
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end, "the server was not asked often enough"
        time.sleep(0.01)


def kill_half_way(code: str, asked: Sequence[Any], script: Script, url: str, out: Path) -> None:
    """Runs `code` (arguments: url, out; `asked` as JSON on its input) until the script's `most` answers are given, then SIGKILL.

    By then some answers are on their way and some requests wait.
    """
    house = Path(__file__).resolve().parent.parent
    client = subprocess.Popen([sys.executable, "-c", code, url, str(out)], env=os.environ | {"PYTHONPATH": str(house)},
                              stdin=subprocess.PIPE, text=True)
    assert client.stdin
    json.dump([asdict(one) for one in asked], client.stdin)
    client.stdin.close()
    try:
        until(lambda: len(script.answered) >= script.most)
    finally:
        client.kill()
        client.wait()
    time.sleep(0.1)  # for a request that it had sent and the server had not seen
    script.release.set()
