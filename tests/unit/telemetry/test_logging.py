from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
import uvicorn.config

from gateway.telemetry.logging import configure_logging, get_logger
from gateway.telemetry.redaction import REDACTED
from tests.support.forge import STAFF, TABLE, jwt_of, table_of

JWT = jwt_of(STAFF)
TOKEN = table_of(TABLE)
OPAQUE = "hunter2-hunter2"

SERVER = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "websockets", "websockets.server", "asyncio")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging is the process': put everything back."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    servers = {name: logging.getLogger(name) for name in SERVER}
    saved = {n: (x.level, list(x.handlers), list(x.filters), x.propagate) for n, x in servers.items()}
    yield
    root.setLevel(before[0])
    root.handlers = before[1]
    for name, (level, handlers, filters, propagate) in saved.items():
        logger = servers[name]
        logger.setLevel(level)
        logger.handlers, logger.filters, logger.propagate = handlers, filters, propagate


def fail() -> None:
    token = OPAQUE  # a local variable, which a pretty traceback would print
    try:
        raise ValueError(f"bad ?token={token} {JWT}")  # noqa: TRY301
    except ValueError as error:
        raise RuntimeError(f"Authorization: Bearer {OPAQUE}") from error


def ours(log: Any) -> None:
    log.info("connected", path=f"/ws/waiter?token={JWT}", token=OPAQUE, nested={"a": [{"table_token": TOKEN}]})
    log.warning(f"bare {JWT} and {TOKEN}", error=ValueError(JWT), url=f"redis://u:{OPAQUE}@h")  # noqa: G004
    log.info("positional %s", JWT)
    try:
        fail()
    except RuntimeError:
        log.exception("failed", headers={"authorization": OPAQUE})


def theirs(log: logging.Logger) -> None:
    log.info("path %s", f"/ws/waiter?token={JWT}")
    log.warning("token=%s", OPAQUE)
    log.error(f"bare {TOKEN}")  # noqa: G004
    log.info("with a stack", stack_info=True)
    try:
        fail()
    except RuntimeError:
        log.exception("Exception in ASGI application\n")


RENDERERS = [(True, io.StringIO), (False, io.StringIO), (False, Terminal), (True, Terminal), (None, Terminal)]


@pytest.mark.parametrize(("as_json", "stream"), RENDERERS)
@pytest.mark.parametrize("name", ["gateway.test", "uvicorn.error", "uvicorn", "somebody.else"])
def test_no_token_in_any_line(as_json: bool | None, stream: Callable[[], io.StringIO], name: str) -> None:
    out = stream()
    configure_logging("DEBUG", json=as_json, stream=out)
    ours(get_logger(name))
    theirs(logging.getLogger(name))
    text = out.getvalue()
    assert text.count("failed") >= 1
    assert text.count("Traceback") == 4, "two errors, each with its cause"
    assert text.count(REDACTED) >= 15
    for secret in (JWT, TOKEN, OPAQUE):
        for piece in (secret, *secret.split(".")):
            assert len(piece) < 8 or piece not in text


def test_a_stream_that_is_no_terminal_gets_one_json_object_a_line() -> None:
    out = io.StringIO()
    configure_logging(stream=out)
    get_logger("gateway.hub").info("connected", tenant=7, branches=(5, 6), quoted='"\n')
    logging.getLogger("redis").warning("away: %s", "x")
    get_logger("gateway.hub").info("%d of %s", 1, "two")
    theirs(logging.getLogger("other"))
    first, second, third, *_ = lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 8
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "connected",
        "level": "info",
        "logger": "gateway.hub",
        "tenant": 7,
        "branches": [5, 6],
        "quoted": '"\n',
    }
    assert third["event"] == "1 of two"
    assert (second["event"], second["level"], second["logger"]) == ("away: x", "warning", "redis")


def test_a_terminal_gets_readable_lines() -> None:
    out = Terminal()
    configure_logging(stream=out)
    get_logger("gateway.hub").info("connected", tenant=7)
    assert "connected" in out.getvalue()
    assert "\x1b[" in out.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(out.getvalue())


def test_readable_lines_without_a_terminal_have_no_colours() -> None:
    out = io.StringIO()
    configure_logging(json=False, stream=out)
    get_logger("gateway.hub").info("connected", tenant=7)
    assert "tenant=7" in out.getvalue()
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_the_servers_lines_about_single_connections_are_dropped(as_json: bool) -> None:
    out = io.StringIO()
    configure_logging("DEBUG", json=as_json, stream=out)
    access, error = logging.getLogger("uvicorn.access"), logging.getLogger("uvicorn.error")
    access.info('%s - "%s %s HTTP/%s" %d', "c", "GET", f"/ws/health?token={JWT}", "1.1", 200)
    for ending in ("[accepted]", "403"):
        error.info(f'%s - "WebSocket %s" {ending}', "c", f"/ws/waiter?token={JWT}")
    error.info('%s - "WebSocket %s" %d', "c", "/ws/waiter", 401)
    error.info("connection open")
    error.info("connection closed")
    assert out.getvalue() == ""
    error.info("Started server process [%d]", 1)
    error.error("connection handler failed")
    assert "Started server process [1]" in out.getvalue()
    assert "connection handler failed" in out.getvalue()


def test_the_servers_own_handlers_are_replaced() -> None:
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    out = io.StringIO()
    configure_logging(stream=out)
    logging.getLogger("uvicorn.error").info("Started")
    assert json.loads(out.getvalue())["event"] == "Started"
    assert all(not logging.getLogger(name).handlers for name in ("uvicorn", "uvicorn.error", "uvicorn.access"))


def test_the_level_is_kept() -> None:
    out = io.StringIO()
    configure_logging("WARNING", stream=out)
    get_logger("gateway.hub").info("quiet")
    logging.getLogger("other").info("quiet")
    get_logger("gateway.hub").warning("loud")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["loud"]


def test_a_level_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure_logging("LOUD", stream=io.StringIO())


def test_configuring_again_replaces_our_handler_and_keeps_others() -> None:
    first, second, foreign = io.StringIO(), io.StringIO(), io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(foreign))
    configure_logging(stream=first)
    configure_logging(stream=second)
    get_logger("gateway.hub").warning("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1
    assert foreign.getvalue() == "once\n"


def test_without_configuration_lines_go_through_the_applications_own_logging(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        get_logger("gateway.hub").info("connected", tenant=7, path=f"/ws?token={JWT}")
        try:
            fail()
        except RuntimeError:
            get_logger("gateway.hub").exception("failed")
    message, failure = (item.getMessage() for item in caplog.records)
    assert message == f"connected tenant=7 path='/ws?token={REDACTED}'"
    assert "Traceback" in failure
    assert JWT not in caplog.text
    assert OPAQUE not in caplog.text


def test_the_applications_structlog_configuration_is_left_alone() -> None:
    configure_logging(stream=io.StringIO())
    get_logger("gateway.hub").info("x")
    assert not structlog.is_configured()


def test_context_variables_are_merged_in() -> None:
    out = io.StringIO()
    configure_logging(stream=out)
    with structlog.contextvars.bound_contextvars(connection="a-1"):
        get_logger("gateway.hub").bind(tenant=7).info("connected")
    line = json.loads(out.getvalue())
    assert (line["connection"], line["tenant"]) == ("a-1", 7)


def test_standard_error_is_looked_up_when_it_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    get_logger("gateway.hub").warning("here")
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["event"] == "here"
