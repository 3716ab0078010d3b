"""The server's half of the opening handshake: RFC 6455 §4.2, without I/O."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from gateway.errors import GatewayError

Headers = list[tuple[bytes, bytes]]

_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_KEY_BYTES = 16  # RFC 6455 §4.1, 7: a nonce of 16 bytes, in base64
_VERSION = b"13"

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_FIELD_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")  # RFC 9110 §5.5: no control character but the tab

_OURS = frozenset(
    (
        b"upgrade",
        b"connection",
        b"sec-websocket-accept",
        b"sec-websocket-protocol",
        # An extension would change every frame from here on, and the owner of the socket speaks none.
        b"sec-websocket-extensions",
    )
)


class HandshakeError(GatewayError):
    """A request is not the opening handshake of RFC 6455 §4.2.1."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """A client's opening handshake, checked.

    Attributes:
        target: the request target, ASCII and in origin form: `/ws/waiter?token=…`.
        headers: as they came, names in lower case.
        key: `Sec-WebSocket-Key`, in base64.
        subprotocols: what the client offers, in its order.
    """

    target: str
    headers: Headers
    key: bytes
    subprotocols: tuple[str, ...]

    @classmethod
    def parse(cls, head: bytes) -> Self:
        """Read a request head, from the request line to the empty line.

        The head has been through uvicorn's HTTP parser, so its syntax is sound; that it asks for a WebSocket in
        the one way that RFC 6455 §4.2.1 allows is checked here.

        Raises:
            HandshakeError: it does not.
        """
        request_line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        headers = [_field(line) for line in lines]
        key = _only(headers, b"sec-websocket-key")
        if not _is_key(key):
            raise HandshakeError("Sec-WebSocket-Key must be 16 bytes in base64")
        if _only(headers, b"sec-websocket-version") != _VERSION:
            raise HandshakeError("Sec-WebSocket-Version must be 13")
        if b"websocket" not in _tokens(headers, b"upgrade") or b"upgrade" not in _tokens(headers, b"connection"):
            raise HandshakeError("Upgrade must name websocket, and Connection must name Upgrade")
        _only(headers, b"host")
        offered = b",".join(value for name, value in headers if name == b"sec-websocket-protocol")
        subprotocols = tuple(token.strip().decode("latin-1") for token in offered.split(b",") if token.strip())
        return cls(_target(request_line), headers, key, subprotocols)

    def reply(self, subprotocol: str | None, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The 101 response, with headers of the server's and the application's.

        No extension is ever agreed to, whatever the client offers.

        Raises:
            ValueError: a subprotocol that the client did not offer (RFC 6455 §4.2.2, 5), a header that could end early
                and begin another, or one that the handshake itself writes.
        """
        accept = base64.b64encode(hashlib.sha1(self.key + _ACCEPT_GUID, usedforsecurity=False).digest())
        lines = [
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: " + accept,
        ]
        if subprotocol is not None:
            lines.append(b"Sec-WebSocket-Protocol: " + self._agreed(subprotocol))
        for name, value in headers:
            _check_field(name, value)
            lines.append(name + b": " + value)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _agreed(self, subprotocol: str) -> bytes:
        if subprotocol not in self.subprotocols:
            raise ValueError(f"subprotocol {subprotocol!r} was not offered; the client offers {self.subprotocols}")
        name = subprotocol.encode("latin-1")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"subprotocol {subprotocol!r} is no token of RFC 9110 §5.6.2")
        return name


def _target(request_line: bytes) -> str:
    match request_line.split(b" "):
        case [b"GET", target, b"HTTP/1.1"] if target.startswith(b"/") and target.isascii():
            return target.decode("ascii")
    raise HandshakeError("a WebSocket is asked for by GET /path HTTP/1.1")


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for found, value in headers if found == name]


def _only(headers: Headers, name: bytes) -> bytes:
    match _values(headers, name):
        case [value]:
            return value
    raise HandshakeError(f"{name.decode()} must be there exactly once")


def _tokens(headers: Headers, name: bytes) -> set[bytes]:
    return {token.strip(b" \t").lower() for token in b",".join(_values(headers, name)).split(b",")}


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def _check_field(name: bytes, value: bytes) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"header name {name!r} is no token of RFC 9110 §5.6.2")
    if name.lower() in _OURS:
        raise ValueError(f"header {name.decode()} belongs to the handshake and cannot be set by the application")
    if not _FIELD_VALUE.fullmatch(value):
        raise ValueError(f"header {name.decode()} has a control character in its value")
