from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry import redaction
from gateway.telemetry.redaction import REDACTED, RedactionFilter, install_redaction, redact, redact_value
from tests.support.forge import STAFF, TABLE, jwt_of, table_of

JWT = jwt_of(STAFF)
TOKEN = table_of(TABLE)
OPAQUE = "hunter2-hunter2"


def hidden(text: str) -> None:
    """No piece of a token or secret that is long enough to be of use."""
    for secret in (JWT, TOKEN, OPAQUE):
        for piece in (secret, *secret.split(".")):
            assert len(piece) < 8 or piece not in text, text


LINES = [
    f'127.0.0.1:5 - "WebSocket /ws/waiter?token={JWT}" [accepted]',
    f'127.0.0.1:5 - "GET /ws/catchup?branch_id=5&token={JWT}&since=0-0 HTTP/1.1" 200',
    f"/ws/diner?table_token={TOKEN}",
    f"/ws/diner?TABLE_TOKEN={OPAQUE}&x=1",
    f"?token={OPAQUE}",
    f"token={OPAQUE}, url=x",
    f"bare {JWT} in a sentence",
    f"bare {TOKEN}.",
    f"{JWT[:60]} cut",
    f"{JWT[:-20]}",
    f"{TOKEN[:40]}…",
    f"({JWT})",
    f'"{TOKEN}"',
    f"Sec-WebSocket-Protocol: bearer, {JWT}",
    f"sec-websocket-protocol: bearer, {OPAQUE}",
    f"Authorization: Bearer {OPAQUE}",
    f"> Authorization: Basic {OPAQUE}\r\n> Host: x",
    f"[(b'host', b'x'), (b'authorization', b'Bearer {OPAQUE}'), (b'sec-websocket-protocol', b'bearer, {OPAQUE}')]",
    f"{{'authorization': 'Bearer {OPAQUE}'}}",
    f'{{"type":"refresh_token","token":"{OPAQUE}"}}',
    f'{{"type":"refresh_token", "token" : "{OPAQUE}"}}',
    f"{{'token': '{OPAQUE}'}}",
    f'payload=b\'{{"token":"{OPAQUE}"}}\'',
    json.dumps(json.dumps({"token": OPAQUE})),
    f"Bearer {OPAQUE}",
    f"redis://:{OPAQUE}@redis.example:6379/0",
    f"rediss://user:{OPAQUE}@redis.example:6379/0",
    f"redis://user:p@ss{OPAQUE}@redis.example",
    f"Error 111 connecting to redis://u:{OPAQUE}@h.",
    f"password={OPAQUE} secret={OPAQUE} operator_key='{OPAQUE}'",
    f"wss://h/ws/waiter?token={OPAQUE}#x",
]


@pytest.mark.parametrize("line", LINES)
def test_tokens_and_secrets_do_not_survive(line: str) -> None:
    clean = redact(line)
    hidden(clean)
    assert REDACTED in clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        (f"GET /ws/waiter?token={JWT}&since=1 HTTP/1.1", f"GET /ws/waiter?token={REDACTED}&since=1 HTTP/1.1"),
        (f"redis://u:{OPAQUE}@h:6379/0 is away", f"redis://u:{REDACTED}@h:6379/0 is away"),
        (f"> Authorization: Basic {OPAQUE}\n> Host: x", f"> Authorization: {REDACTED}\n> Host: x"),
        (f'{{"token":"{OPAQUE}","type":"x"}}', f'{{"token":"{REDACTED}","type":"x"}}'),
    ],
)
def test_the_rest_of_the_line_stays(line: str, clean: str) -> None:
    assert redact(line) == clean


@pytest.mark.parametrize(
    "line",
    [
        "gateway started on http://127.0.0.1:8001 with redis://localhost:6379/0",
        "connected endpoint=waiter tenant=7 subject=user:12 branches=(5, 6)",
        "GATEWAY_JWT_SECRET: the development secret is used, which everybody can read",
        "the token has expired",
        "refused why=the token's signature does not match code=4001",
        "gateway.auth.revocation v1.2.3 0.1.0 2026-01-31T12:00:00.000000Z",
        "branch:5:kitchen sector:9:waiters {tenant:7:branch:5}:live",
        "File '/usr/lib/python3.11/site-packages/uvicorn/protocols/websockets/websockets_impl.py', line 240",
        "token_id=abc unknown_type=1 bad_token",
        "jwt:blacklist:0123456789abcdef0123456789abcdef",
    ],
)
def test_ordinary_lines_are_left_alone(line: str) -> None:
    assert redact(line) == line


@pytest.mark.parametrize(
    "hostile",
    [
        "a" * 200000,
        "x://" * 50000,
        "eyJ" * 60000,
        "v1." * 60000,
        "token=" * 30000,
        "a.b-" * 50000,
        "://:@" * 40000,
        "bearer " * 30000,
        "authorization" * 15000,
        "authorization:" * 14000,
        "@:" * 90000,
        "AAAAAAAAA." * 20000,
        "x:/" * 60000,
        "token" + " " * 190000,
        "cookie" * 30000,
        '"token"' * 28000,
    ],
)
def test_a_hostile_line_takes_no_more_than_its_share_of_time(hostile: str) -> None:
    started = time.process_time()
    redact(hostile)
    # Some 200 KB; quadratic behaviour would take minutes. Generous, since the machine is shared.
    assert time.process_time() - started < 5


class Url:
    def __repr__(self) -> str:
        return f"Url('/ws?token={OPAQUE}')"


@pytest.mark.parametrize(
    "value",
    [
        f"token={OPAQUE}",
        f"token={OPAQUE}".encode(),
        [f"x {JWT}"],
        (1, {"deep": [{"token": OPAQUE}]}),
        {"headers": {"Authorization": f"Bearer {OPAQUE}"}},
        {"table_token": TOKEN},
        {"GATEWAY_JWT_SECRET": OPAQUE, "jwt_secrets": {"k": OPAQUE}, "operator_key": OPAQUE},
        {"subprotocols": ["bearer", OPAQUE]},
        {f"/ws?token={OPAQUE}": 1},
        {f"x{JWT}"},
        ValueError(f"no such token={OPAQUE}"),
        Url(),
        [[[[[[[[[[f"token={OPAQUE}"]]]]]]]]]],
    ],
)
def test_no_value_hides_one(value: Any) -> None:
    hidden(repr(redact_value(value)))


def test_harmless_values_are_what_they_were() -> None:
    error = ValueError("nothing to see")
    for value in (1, 1.5, True, None, "text", b"bytes", error, [1, "a"], {"a": (1, 2)}):
        assert redact_value(value) == value


# --- the filter ----------------------------------------------------------------------------------------------


def record(message: Any, *args: Any, **attributes: Any) -> logging.LogRecord:
    made = logging.LogRecord("uvicorn.error", logging.INFO, __file__, 1, message, args, None)
    made.__dict__.update(attributes)
    return made


def formatted(made: logging.LogRecord) -> str:
    assert RedactionFilter().filter(made)
    return logging.Formatter("%(message)s").format(made)


def test_the_filter_scrubs_message_and_arguments() -> None:
    hidden(formatted(record('%s - "WebSocket %s" [accepted]', "127.0.0.1", f"/ws/waiter?token={JWT}")))
    hidden(formatted(record("token=%s", OPAQUE)))
    hidden(formatted(record("%(token)s token=%(token)s", {"token": OPAQUE})).replace(OPAQUE, "", 1))
    hidden(formatted(record(f"Authorization: {OPAQUE}")))


def test_the_filter_keeps_the_arguments_of_the_servers_access_line() -> None:
    path = f"/ws/catchup?token={OPAQUE}&branch_id=5"
    made = record('%s - "%s %s HTTP/%s" %d', "127.0.0.1:5", "GET", path, "1.1", 200)
    hidden(formatted(made))
    assert made.args == ("127.0.0.1:5", "GET", f"/ws/catchup?token={REDACTED}&branch_id=5", "1.1", 200)


def test_the_filter_scrubs_tracebacks_and_stacks() -> None:
    try:
        raise ValueError(f"bad ?token={OPAQUE}") from KeyError(JWT)  # noqa: TRY301
    except ValueError as error:
        made = record("failed", exc_info=(type(error), error, error.__traceback__), stack_info=f"x={JWT}")
    text = formatted(made)
    hidden(text)
    assert "Traceback" in text
    assert "ValueError: bad ?token=" in text


def test_a_record_whose_arguments_do_not_fit_shows_none_of_them() -> None:
    hidden(formatted(record("%d %s", OPAQUE)))


def test_the_filter_leaves_other_records_as_they_are() -> None:
    made = record("%s is %d", "x", 1)
    assert formatted(made) == "x is 1"
    assert (made.msg, made.args) == ("%s is %d", ("x", 1))


@pytest.fixture
def server_loggers() -> Any:
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "websockets", "websockets.server", "asyncio")
    before = {name: list(logging.getLogger(name).filters) for name in names}
    yield names
    for name, filters in before.items():
        logging.getLogger(name).filters = filters


def test_installing_twice_filters_once(server_loggers: tuple[str, ...]) -> None:
    install_redaction()
    install_redaction()
    for name in server_loggers:
        assert sum(isinstance(item, RedactionFilter) for item in logging.getLogger(name).filters) == 1


def test_installed_it_scrubs_what_the_server_logs(
    server_loggers: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    install_redaction()
    with caplog.at_level(logging.INFO):
        logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "c", f"/ws/waiter?token={JWT}")
        logging.getLogger("uvicorn.error").error("failed %s", JWT)
    assert "failed" in caplog.text
    hidden(caplog.text)


PIECES = ("bearer", "Bearer", "\t ", " , ", "eyJ", "ew0", "v1", ".", ":", "=", "token", "abcdefgh" * 6, "://", "@", '"')


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_quick_look_passes_nothing_that_a_pattern_would_catch(text: str) -> None:
    scrubbed = text
    for pattern, replacement in redaction._PATTERNS:
        scrubbed = pattern.sub(replacement, scrubbed)
    assert redact(text) == scrubbed
