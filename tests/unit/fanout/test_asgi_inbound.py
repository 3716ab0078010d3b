from __future__ import annotations

import pytest

from gateway.fanout.inbound import NO_STATUS, ClientText, Disconnected, Heartbeat, Inbound, Refused, read_message
from gateway.protocol.close_codes import WSCloseCode

BINARY = Refused(WSCloseCode.UNSUPPORTED_DATA)
TOO_BIG = Refused(WSCloseCode.MESSAGE_TOO_BIG)


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ({"type": "websocket.disconnect", "code": 1001}, Disconnected(1001)),
        ({"type": "websocket.disconnect"}, Disconnected(NO_STATUS)),
        ({"type": "websocket.disconnect", "code": None}, Disconnected(NO_STATUS)),
        ({"type": "websocket.receive", "bytes": b"x"}, BINARY),
        ({"type": "websocket.receive", "bytes": b"", "text": None}, BINARY),
        ({"type": "websocket.receive", "text": "ping", "bytes": None}, Heartbeat.PING),
        ({"type": "websocket.receive", "text": '{"type":"ping"}'}, Heartbeat.PING),
        ({"type": "websocket.receive", "text": ""}, ClientText("")),
        ({"type": "websocket.receive", "text": "PING"}, ClientText("PING")),
        ({"type": "websocket.receive", "text": "12345678"}, ClientText("12345678")),
        ({"type": "websocket.receive", "text": "1234567\u00e9"}, TOO_BIG),
        ({"type": "websocket.receive", "text": "\u00e9\u00e9\u00e9\u00e9"}, ClientText("\u00e9\u00e9\u00e9\u00e9")),
        ({"type": "websocket.receive", "text": "123456789"}, TOO_BIG),
        ({"type": "websocket.receive", "text": "\ud800" * 3}, TOO_BIG),
    ],
)
def test_means(message: dict[str, object], meaning: Inbound) -> None:
    # The limit of 8 is passed over for a ping in JSON, which is longer.
    limit = 8 if meaning is not Heartbeat.PING else 64
    assert read_message(message, limit) == meaning


def test_zero_is_unlimited() -> None:
    text = "x" * 1_000_000
    assert read_message({"type": "websocket.receive", "text": text}, 0) == ClientText(text)
