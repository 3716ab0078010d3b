"""The command line: arguments in, a service, a token, an event or a demo out. `main` is its entry."""

from __future__ import annotations

from gateway.cli.entry import main

__all__ = ["main"]
