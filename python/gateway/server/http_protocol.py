"""What is asked of uvicorn's HTTP protocol when a connection leaves it, beyond what it offers."""

from __future__ import annotations

import sys


def tail_of_head(http_protocol: object) -> bytes:
    """What came in the same segment behind an upgrade request; to be called while uvicorn makes the upgrade.

    uvicorn's HTTP protocols drop these bytes (0.36 to 0.54), and there is no public way to them:

    - h11 keeps them: `Connection.trailing_data` is its documented API, and uvicorn's attribute `conn` is not;
    - httptools says their offset in `HttpParserUpgrade`, which is being handled while we run; the segment itself is a
      local variable of uvicorn's `data_received`.

    Best effort: where a version of uvicorn has neither, nothing is found, as under its own classes. Never raises.
    """
    error = sys.exception()
    if error is not None and type(error).__name__ == "HttpParserUpgrade" and error.__traceback__ is not None:
        segment = error.__traceback__.tb_frame.f_locals.get("data")
        offset = error.args[0] if error.args else None
        if isinstance(segment, bytes) and isinstance(offset, int):
            return segment[offset:]
        return b""
    trailing = getattr(getattr(http_protocol, "conn", None), "trailing_data", None)
    if isinstance(trailing, tuple) and trailing and isinstance(trailing[0], bytes | bytearray):
        return bytes(trailing[0])
    return b""


def let_go(http_protocol: object) -> None:
    """Break the cycle of references that an HTTP protocol which has done its upgrade is part of.

    uvicorn's `HttpToolsProtocol` holds its parser, and the parser the protocol's methods; so it waits for the cyclic
    garbage collector, with the transport, its buffers and the whole request. A storm of joins leaves thousands of them
    between two collections: megabytes that the process never gives back, and that look like memory of connections.

    To be called when the upgrade has returned: nothing is parsed any more. Where a version of uvicorn has no such
    attribute, the collector does it, as under its own classes. Never raises.
    """
    if hasattr(http_protocol, "parser"):
        http_protocol.parser = None
