"""Logs: the gateway's lines, the server's and everybody else's through one formatter."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter

from gateway.telemetry.redaction import install_redaction, redact_event

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")

_NOISE = frozenset({"connection open", "connection closed"})


class _Line(dict[str, Any]):
    """A log line's members. Where no formatter of ours takes them apart, it reads as `event key=value`."""

    def __str__(self) -> str:
        pairs = [f"{key}={value!r}" for key, value in self.items() if key not in ("event", "exception", "stack")]
        text = " ".join([str(self.get("event", "")), *pairs])
        return "\n".join([text, *(str(self[key]) for key in ("exception", "stack") if key in self)])


def _hand_over(logger: Any, name: str, event: EventDict) -> Any:
    args, kwargs = ProcessorFormatter.wrap_for_formatter(logger, name, _Line(event))
    # `Logger.exception` would add the exception itself, which the application's formatter would print unscrubbed.
    return args, {**kwargs, "exc_info": None}


# Scrubbed here, and not only in our formatter: in somebody else's application the lines go through theirs.
_EMIT: tuple[Processor, ...] = (
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    redact_event,
    _hand_over,
)


def _redact_foreign(logger: Any, method: str, event: EventDict) -> EventDict:
    """Scrub lines of other libraries; ours were before they came here."""
    return event if event.get("_from_structlog") else cast("EventDict", redact_event(logger, method, event))


def get_logger(name: str) -> BoundLogger:
    """A logger that takes an event in words and the rest as key=value. Cheap, thread-safe, needs no configuration.

    It writes to the standard logger of that name, and leaves structlog's global configuration to the application.
    """
    logger = structlog.wrap_logger(logging.getLogger(name), processors=_EMIT, wrapper_class=BoundLogger)
    return cast("BoundLogger", logger)


class _ServerFilter(logging.Filter):
    """Drops the server's lines about single connections: they carry query strings, and the gateway logs its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "uvicorn.access":
            return False
        text = str(record.msg)
        return '"WebSocket ' not in text and text not in _NOISE


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that configuring again replaces it and leaves other handlers alone."""


def configure_logging(level: int | str = "INFO", json: bool | None = None, stream: TextIO | None = None) -> None:
    """Send all logging of this process to one stream. For whoever owns the process: the command line.

    uvicorn must be started with `log_config=None`, or it puts its own handlers back.

    Args:
        level: of the root logger.
        json: one JSON object a line; None means so unless the stream is a terminal, which gets readable lines.
        stream: where to; None is standard error.

    Raises:
        ValueError: no such level.
    """
    out = sys.stderr if stream is None else stream
    as_json = not out.isatty() if json is None else json
    handler = _Handler(out)
    handler.setFormatter(_formatter(as_json=as_json, colours=out.isatty()))
    root = logging.getLogger()
    root.setLevel(level)
    root.handlers = [*(old for old in root.handlers if not isinstance(old, _Handler)), handler]
    for name in _UVICORN:
        server = logging.getLogger(name)
        server.handlers, server.propagate = [], True
        server.filters = [old for old in server.filters if not isinstance(old, _ServerFilter)]
        server.addFilter(_ServerFilter())
    install_redaction()


def _formatter(*, as_json: bool, colours: bool) -> ProcessorFormatter:
    renderer: Processor
    if as_json:
        renderer = structlog.processors.JSONRenderer()
    else:
        # The plain traceback: the pretty ones print local variables, and tokens are local variables.
        renderer = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
    time_format = "iso" if as_json else "%H:%M:%S"
    return ProcessorFormatter(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt=time_format, utc=as_json),
            structlog.processors.format_exc_info,
            _redact_foreign,
            ProcessorFormatter.remove_processors_meta,
            renderer,
        ]
    )
