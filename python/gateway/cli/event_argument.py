"""The event that a back end's commands are given, and the settings that such a command needs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from gateway.cli.speech import note
from gateway.protocol.events import MAX_EVENT_BYTES
from gateway.settings import Settings

EventJson = Annotated[str, typer.Argument(metavar="JSON", help="The event; - reads it from standard input.")]

# A back end's machine has none of the gateway's secrets, and sending events needs none.
_VARIABLES = ("GATEWAY_REDIS_URL", "GATEWAY_REDIS_URL_FILE", "GATEWAY_ROUTING_FILE")


def producer_settings(redis_url: str | None) -> Settings:
    """The settings of which Redis and which routing table.

    Raises:
        SettingsError: the settings are malformed.
    """
    environ = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    return Settings.load(environ, redis_url=redis_url)


def payload_of(event: str) -> bytes:
    """The bytes of the argument, or of standard input for `-`."""
    if event != "-":
        # What the shell gave may not be UTF-8; its bytes are passed on as they are, and refused with the rest.
        return os.fsencode(event)
    if sys.stdin.isatty():
        note("reading the event from standard input; end it with Ctrl-D")
    # One byte more than allowed tells a long event from one that just fits, and an endless one does not fill memory.
    return sys.stdin.buffer.read(MAX_EVENT_BYTES + 1)
