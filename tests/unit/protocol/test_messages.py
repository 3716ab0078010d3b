from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol import messages
from gateway.protocol.close_codes import CLOSE_CODES, WSCloseCode, reason_phrase
from gateway.protocol.messages import BareRefreshSectors, ErrorCode, Ping, RefreshSectors, RefreshToken


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ping", Ping()),
        ('{"type":"ping"}', Ping()),
        ('{"type":"ping","at":17}', Ping()),
        ("refresh_sectors", BareRefreshSectors()),
        ('{"type":"refresh_sectors"}', RefreshSectors()),
        ('{"type":"refresh_token","token":"abc"}', RefreshToken("abc")),
        ('{"type":"refresh_token"}', ErrorCode.UNKNOWN_TYPE),
        ('{"type":"refresh_token","token":null}', ErrorCode.UNKNOWN_TYPE),
        ('{"type":"welcome"}', ErrorCode.UNKNOWN_TYPE),
        ("", ErrorCode.BAD_JSON),
        ("PING", ErrorCode.BAD_JSON),
        ("{}", ErrorCode.BAD_JSON),
        ('{"type":5}', ErrorCode.BAD_JSON),
        ('"ping"', ErrorCode.BAD_JSON),
        ("[" * 50_000, ErrorCode.BAD_JSON),
        ("\ud800", ErrorCode.BAD_JSON),
    ],
)
def test_a_client_message_is_one_of_few_or_an_error(text: str, message: object) -> None:
    assert messages.parse_client_message(text) == message


@given(st.text(max_size=80))
def test_reading_a_client_message_never_fails(text: str) -> None:
    messages.parse_client_message(text)
    assert messages.is_ping(text) == (messages.parse_client_message(text) == Ping())


@pytest.mark.parametrize(
    "text", ["ping", '{"type":"ping"}', '{ "type" : "ping" }', '{"at":"' + 99 * "x" + '","type":"p\\u0069ng"}']
)
def test_a_ping_is_seen_without_asking_python(text: str) -> None:
    assert messages.is_ping(text)


def test_messages_are_compact_json() -> None:
    assert messages.pong() == '{"type":"pong","positions":{}}'
    assert messages.gap(3) == '{"type":"gap","dropped":3}'
    assert messages.error(ErrorCode.BAD_TOKEN) == '{"type":"error","code":"bad_token"}'
    assert messages.token_refreshed(1700000000.0) == '{"type":"token_refreshed","exp":1700000000}'
    assert messages.sectors_updated([1, 2], bare=True) == "sectors_updated:1,2"
    assert messages.sectors_updated([], bare=True) == "sectors_updated:"
    assert messages.sectors_updated([1, 2], bare=False) == '{"type":"sectors_updated","sectors":[1,2]}'
    assert json.loads(messages.welcome("n-1", 30.0, {5: "0-0"})) == {
        "type": "welcome",
        "connection_id": "n-1",
        "heartbeat": 30,
        "positions": {"5": "0-0"},
    }
    assert json.loads(messages.welcome("n-1", 0.5, {}, {5: False}))["resumed"] == {"5": False}


def test_every_code_that_is_sent_has_a_meaning_and_a_reason_that_fits_a_control_frame() -> None:
    assert set(CLOSE_CODES) == set(WSCloseCode) - {WSCloseCode.ABNORMAL}
    for code in WSCloseCode:
        assert 0 < len(reason_phrase(code).encode()) <= 123
    assert reason_phrase(4999) == ""
