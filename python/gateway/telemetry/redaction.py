"""Keeping tokens and secrets out of logs, whoever writes the line.

Two nets: names (`token=`, `Authorization:`) and shapes (a JWT, a table token, the password of a URL). A line may lose
more than it had to; it must not lose less.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_NAMES = r"token|table_token|access_token|refresh_token|id_token|secret|password|passwd|api_key|operator_key"
_B64 = r"[A-Za-z0-9_-]"

# Each pattern begins where a run of its characters begins (the look-behind) and its repetitions are bounded or
# cannot overlap, so that a hostile line costs time in proportion to its length.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Header lines and header pairs, as `Name: value`, `'name': 'value'` or `(b'name', b'value')`: to the closing
    # quote, else to the end of the line, since `bearer, <token>` holds spaces.
    (
        re.compile(
            r"\b((?:proxy-)?authorization|sec-websocket-protocol|cookie|set-cookie)"
            r"""((?:\\?["'])?\s{0,4}[:=,]\s{0,4}(?:b(?=["']))?)(?:(\\?["'])[^"'\\\r\n]+|[^"'\\\r\n]+)""",
            re.IGNORECASE,
        ),
        rf"\1\2\3{REDACTED}",
    ),
    # `"token":"…"` of a message, `'token': '…'` of a repr, with their quotes escaped or not.
    (
        re.compile(
            rf"""(?<![A-Za-z0-9])({_NAMES})((?:\\?["'])?\s{{0,4}}[=:]\s{{0,4}}b?\\?["'])[^"'\\]+""", re.IGNORECASE
        ),
        rf"\1\2{REDACTED}",
    ),
    # `token=…` of a query. Not after a colon and a space: there it is prose.
    (
        re.compile(rf"""(?<![A-Za-z0-9])({_NAMES})([=:])[^\s&"'<>\\,;)}}]+""", re.IGNORECASE),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"\b(bearer)(\s{0,4}[ ,]\s{0,4})[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1\2{REDACTED}"),
    # Any three long parts, the last as long as an HMAC-SHA256 or longer.
    (re.compile(rf"(?<!{_B64})(?:{_B64}{{8,}}|v1)\.{_B64}{{8,}}\.{_B64}{{40,}}"), REDACTED),
    # A JSON object in base64url begins with one of these: `{"`, `{ `, or `{` and a line break. Cut-off tokens count.
    (re.compile(rf"(?<!{_B64})(?:v1\.)?(?:eyJ|eyA|ewo|ew0){_B64}{{6,}}(?:\.{_B64}*){{0,4}}"), REDACTED),
    (re.compile(rf"(?<!{_B64})v1\.{_B64}{{12,}}(?:\.{_B64}*)?"), REDACTED),
    # The password of a URL, up to the last `@` before white space or a quote.
    (
        re.compile(
            r"""(?<![A-Za-z0-9+.-])([a-z][a-z0-9+.-]{0,30}://[^\s:/@"'<>]{0,256}):[^\s"'<>]{0,1024}@""", re.IGNORECASE
        ),
        rf"\1:{REDACTED}@",
    ),
)

# Every pattern above needs one of these; most members of a line have none, and are not worth eight searches.
_SUSPICIOUS = re.compile(r"[.:=,]|bearer|ey[JA]|ew[o0]", re.IGNORECASE)

_SECRET_KEYS = re.compile(
    rf"(?:.*[_-])?(?:{_NAMES}|secrets|(?:proxy-)?authorization|sec-websocket-protocol|cookie|subprotocols?)",
    re.IGNORECASE,
)

_PLAIN = (int, float, bool, type(None))

_MAX_DEPTH = 8
"""Containers inside containers that are looked into; what lies deeper is scrubbed as text."""


def redact(text: str) -> str:
    """Scrub a text. Idempotent, thread-safe."""
    if _SUSPICIOUS.search(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: Any, depth: int = 0) -> Any:
    """Scrub a value and what it contains, for a renderer: containers are copied, sets become lists.

    What is neither text nor a container is given back as it is if its repr holds nothing to hide, else as text.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, _PLAIN):
        return value
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {redact_value(key, depth + 1): _member(key, item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            items = [redact_value(item, depth + 1) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
    # Whatever else a renderer would show by its repr: bytes, exceptions, URLs, objects of a framework.
    shown = repr(value)
    scrubbed = redact(shown)
    return value if scrubbed == shown else scrubbed


def _member(key: Any, value: Any, depth: int = 0) -> Any:
    if value is not None and isinstance(key, str) and _SECRET_KEYS.fullmatch(key):
        return REDACTED
    return redact_value(value, depth)


def redact_event(_logger: Any, _method: str, event: Any) -> Any:
    """Scrub a log line's members: a structlog processor. `exc_info` must have become text before."""
    for key, value in event.items():
        # The formatter's own members: the record is not rendered.
        if key not in ("_record", "_from_structlog"):
            event[key] = _member(key, value)
    return event


class RedactionFilter(logging.Filter):
    """Scrubs standard log records before any handler formats them. It lets every record through."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Scrub message, arguments, traceback and stack in place."""
        self._scrub_message(record)
        if record.exc_info and not record.exc_text:
            # Formatters keep the text that they find here instead of rendering the exception anew.
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True

    @staticmethod
    def _scrub_message(record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a malformed record is the handler's to report, without its arguments
            record.msg, record.args = f"{redact(str(record.msg))} (arguments do not fit)", ()
            return
        clean = redact(message)
        if clean == message:
            return
        # uvicorn's access formatter takes the arguments apart, so they stay arguments where that is enough.
        if isinstance(record.args, tuple):
            args = tuple(redact_value(arg) for arg in record.args)
            try:
                kept = str(record.msg) % args == clean
            except (TypeError, ValueError):
                kept = False
            if kept:
                record.args = args
                return
        record.msg, record.args = clean, ()


_SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "websockets", "websockets.server")


def install_redaction() -> None:
    """Scrub the server's own log lines in an application that configures logging itself. May be called again.

    A filter on a logger sees only what is logged by that very logger, hence each by name. The gateway's own lines
    are scrubbed before they reach any logger.
    """
    for name in (*_SERVER_LOGGERS, "asyncio"):
        logger = logging.getLogger(name)
        if not any(isinstance(item, RedactionFilter) for item in logger.filters):
            logger.addFilter(RedactionFilter())
