"""The HTTP protocol class of `gateway serve`: uvicorn's own, but a client must come out with its request."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS: Final = 10.0
"""From the connection, or from the first byte of a later request, to the end of the request's head."""

_TOO_LATE: Final = (
    b"HTTP/1.1 408 Request Timeout\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 42\r\nConnection: close\r\n\r\n"
    b"The request's head took longer than 10 s.\n"
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends a connection that has not said within `HEAD_SECONDS` what it wants. Event loop only.

    uvicorn has a time-out between two requests and none for a request: a client that sends one byte a minute, or
    nothing at all, would hold its descriptor for ever ("slow loris"). The size of a head is bounded by uvicorn.

    Any other server can load it too: `uvicorn --http gateway.server.bounded_http:BoundedHttpProtocol`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected, and under TLS has shaken hands."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """A part of a request, or several requests."""
        super().data_received(data)
        if self._is_upgraded() or not self._is_idle():
            self._expect_nothing()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._expect_nothing()
        super().connection_lost(exc)

    def _is_upgraded(self) -> bool:
        return self.transport.get_protocol() is not self

    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        # Not begun anew by every byte: that is what a slow client would send them for.
        if self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(HEAD_SECONDS, self._end)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self._late = None
        if not self.transport.is_closing() and not self._is_upgraded() and self._is_idle():
            self.transport.write(_TOO_LATE)
            self.transport.close()
