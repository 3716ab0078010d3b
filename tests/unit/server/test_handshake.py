from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.handshake import Handshake, HandshakeError
from tests.support.raw_websocket import ACCEPT, request

HEAD = request("/ws/waiter?token=a.b")


def test_a_handshake_is_read() -> None:
    handshake = Handshake.parse(request("/ws/waiter?token=a.b", "Sec-WebSocket-Protocol: bearer, a.b", "X-Odd:  v\t"))
    assert handshake.target == "/ws/waiter?token=a.b"
    assert handshake.subprotocols == ("bearer", "a.b")
    assert (b"x-odd", b"v") in handshake.headers
    assert handshake.headers[0] == (b"host", b"127.0.0.1")


def test_subprotocols_of_several_headers_are_one_list() -> None:
    handshake = Handshake.parse(request("/", "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: c"))
    assert handshake.subprotocols == ("a", "b", "c")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Upgrade: websocket", b"Upgrade: WebSocket"),
        (b"Upgrade: websocket", b"Upgrade: h2c, websocket"),
        (b"Connection: Upgrade", b"Connection: keep-alive,upgrade"),
        (b"Connection: Upgrade", b"Connection: keep-alive\r\nConnection: Upgrade"),
    ],
)
def test_what_the_rfc_allows_is_taken(old: bytes, new: bytes) -> None:
    assert Handshake.parse(HEAD.replace(old, new)).target == "/ws/waiter?token=a.b"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET /", b"POST /"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"GET /ws", b"GET http://host/ws"),
        (b"/ws/waiter", b"/ws/\xc3\xa9"),
        (b"/ws/waiter", b"/ws/waiter HTTP/1.1 x"),
        (b"Host: 127.0.0.1\r\n", b""),
        (b"Host: 127.0.0.1", b"Host: 127.0.0.1\r\nHost: other"),
        (b"Upgrade: websocket", b"Upgrade: h2c"),
        (b"Upgrade: websocket", b"Upgrade: websockets"),
        (b"Connection: Upgrade", b"Connection: keep-alive"),
        (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8"),
        (b"Sec-WebSocket-Version: 13\r\n", b""),
        (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ="),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25jZQ"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBs*SBub25jZQ=="),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b""),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    ],
)
def test_what_the_rfc_forbids_is_refused(old: bytes, new: bytes) -> None:
    assert old in HEAD
    with pytest.raises(HandshakeError):
        Handshake.parse(HEAD.replace(old, new))


def test_the_reply_is_the_rfcs_example() -> None:
    reply = Handshake.parse(HEAD).reply(None, [(b"date", b"today"), (b"X-A", b"1\t2 \xe9")])
    assert reply.split(b"\r\n") == [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + ACCEPT.encode(),
        b"date: today",
        b"X-A: 1\t2 \xe9",
        b"",
        b"",
    ]


def test_an_offered_subprotocol_is_agreed_to() -> None:
    handshake = Handshake.parse(request("/", "Sec-WebSocket-Protocol: bearer, x y"))
    assert b"\r\nSec-WebSocket-Protocol: bearer\r\n" in handshake.reply("bearer", [])
    with pytest.raises(ValueError, match="not offered"):
        handshake.reply("other", [])
    with pytest.raises(ValueError, match="no token"):
        handshake.reply("x y", [])


@pytest.mark.parametrize("offer", ["permessage-deflate", "permessage-deflate; client_max_window_bits", "x-anything"])
def test_no_extension_is_agreed_to(offer: str) -> None:
    handshake = Handshake.parse(request("/", f"Sec-WebSocket-Extensions: {offer}"))
    assert b"extensions" not in handshake.reply(None, []).lower()


@pytest.mark.parametrize(
    "name", [b"Upgrade", b"connection", b"Sec-WebSocket-Accept", b"sec-websocket-extensions", b"Sec-WebSocket-Protocol"]
)
def test_an_application_cannot_write_the_handshakes_own_headers(name: bytes) -> None:
    with pytest.raises(ValueError, match="belongs to the handshake"):
        Handshake.parse(HEAD).reply(None, [(name, b"x")])


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=4))
def test_a_reply_has_the_headers_that_were_given_or_there_is_none(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        reply = Handshake.parse(HEAD).reply(None, headers)
    except ValueError:
        return
    head, _, rest = reply.partition(b"\r\n\r\n")
    assert rest == b""
    lines = head.splitlines()[4:]  # a stricter reader than most: every kind of line end ends a line
    assert lines == [name + b": " + value for name, value in headers]
