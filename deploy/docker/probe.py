#!/usr/bin/env -S python3 -I
"""`gateway-probe PATH`: asks the gateway in the same container for PATH; exit status 0 if it answers 200, else 1.

For health checks that can run a command but cannot send the operator key, which readiness (`/ws/health/detailed`) asks
for. The key is read as the gateway reads it, from `GATEWAY_OPERATOR_KEY` or the file that `GATEWAY_OPERATOR_KEY_FILE`
names, so that it stands in no manifest and no process list. Only the standard library, since a probe runs every few
seconds and must start fast.
"""

from __future__ import annotations

import http.client
import os
import sys
from pathlib import Path

TIMEOUT_SECONDS = 4.0
"""Readiness itself waits up to 2 s for Redis; whoever runs the probe should allow 5 s."""


def operator_key() -> str | None:
    """The operator key, or None if none is set."""
    if path := os.environ.get("GATEWAY_OPERATOR_KEY_FILE"):
        return Path(path).read_text("utf-8").removesuffix("\n").removesuffix("\r")
    return os.environ.get("GATEWAY_OPERATOR_KEY") or None


def main(arguments: list[str]) -> int:
    """Ask once; what is wrong goes to standard error, which the orchestrator shows beside the failed probe."""
    if len(arguments) != 1 or not arguments[0].startswith("/"):
        print("usage: gateway-probe PATH, for example gateway-probe /ws/health", file=sys.stderr)
        return 2
    try:
        key = operator_key()
        # Not the proxy of the environment, and no redirects: the process in this container, or nobody.
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(os.environ.get("GATEWAY_PORT") or "8001"), timeout=TIMEOUT_SECONDS
        )
        connection.request("GET", arguments[0], headers={"Authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        body = answer.read(2048).decode("utf-8", "replace")
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    if answer.status != http.client.OK:
        print(f"{arguments[0]}: {answer.status} {body}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
