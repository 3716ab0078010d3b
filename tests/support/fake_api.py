"""An operator API that answers what a test tells it to, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Asked(NamedTuple):
    """One request that came."""

    path: str
    parameters: dict[str, str]
    headers: Mapping[str, str]


class FakeApi:
    """Answers by path, each time with the next of its answers, the last one for ever."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self._answers: dict[str, list[tuple[int, bytes, dict[str, str]]]] = {}

    def answers(self, path: str, *bodies: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """What stands behind `/api/v1`, and its answers: JSON, or bytes as they are. Added to those of before."""
        encoded = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        self._answers.setdefault(path, []).extend((status, body, headers or {}) for body in encoded)

    def next(self, target: str, headers: Mapping[str, str]) -> tuple[int, bytes, dict[str, str]]:
        parts = urlsplit(target)
        self.asked.append(Asked(parts.path, dict(parse_qsl(parts.query)), headers))
        answers = self._answers.get(parts.path.removeprefix("/api/v1"))
        if not answers:
            return 404, b"nothing here", {}
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def run_api() -> Iterator[FakeApi]:
    """One on a free port of 127.0.0.1."""
    # Replaced below: the handler's class must know the fake, and the fake its port.
    fake = FakeApi("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = fake.next(self.path, dict(self.headers))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests say themselves what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def node_status(name: str = "n1", **changes: Any) -> dict[str, Any]:
    """A healthy node's status, but for what is given."""
    status: dict[str, Any] = {
        "node": name,
        "version": "0.1.0",
        "environment": "production",
        "uptime_seconds": 93_784.5,
        "time": 1_700_000_000.0,
        "fanout": "native",
        "draining": False,
        "ready": True,
        "reasons": [],
        "connections": {"total": 10, "waiter": 4, "kitchen": 3, "admin": 2, "diner": 1},
        "rooms": 5,
        "deliveries_total": 1_000,
        "events": {"pubsub": 100, "stream": 50},
        "drops": {},
        "slow_clients_total": 0,
        "breakers": {"commands": "closed", "relay": "closed"},
        "relay": {"active": True, "lag": 0, "pending": 0},
        "dlq_length": 0,
        "broadcasts_in_flight": 0,
        "bytes_in_flight": 0,
        "outbox_bytes": 2_048,
    }
    return status | changes


def connection(number: int, **changes: Any) -> dict[str, Any]:
    """A connection as the API shows it."""
    return {
        "connection": f"n1-{number}",
        "node": "n1",
        "tenant": 1,
        "subject": "user:12",
        "endpoint": "kitchen",
        "branches": [5, 6],
        "audiences": ["branch:5:kitchen", "branch:6:kitchen"],
        "since": 1_700_000_000,
        "expires_at": 1_700_003_600.0,
        "outbox_bytes": 0,
        "positions": {"5": "1700000000000-0/0123abcd"},
    } | changes


def room(branch: int, **changes: Any) -> dict[str, Any]:
    """A room as the API shows it."""
    return {
        "tenant": 1,
        "branch": branch,
        "connections": 3,
        "audiences": {f"branch:{branch}:waiters": 2, f"branch:{branch}:kitchen": 1},
        "position": "1700000000000-0/0123abcd",
    } | changes
