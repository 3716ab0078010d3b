"""Asks a gateway's operator API, for commands that look at what is running.

By the standard library: the requests are few and small, and a key must not follow a redirect to another server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.message import Message
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from gateway.errors import GatewayError

PREFIX: Final = "/api/v1"

PAGE: Final = 1_000
"""Things of one page: the most that the API gives."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""No page is longer; what is, was not written by a gateway."""

TIMEOUT: Final = 10.0
"""Seconds. Other nodes have one to answer."""

_SENTENCE: Final = 1_000
"""Characters of a stranger's error that are shown."""


class OperatorApiError(GatewayError):
    """The operator API cannot be asked, or refused; `status` is the answer's, 0 where there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class OperatorApi:
    """One gateway's operator API. Each request has a connection of its own. Thread-safe.

    Args:
        url: of the gateway, `http://` or `https://`, with the prefix that a proxy gives it; certificates are verified.
        key: of scope `read` at least; None sends none, which a gateway in development takes from its own machine.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url)
        self._url = url
        self._netloc = parts.netloc
        self._base = parts.path.rstrip("/") + PREFIX
        self._connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One answer.

        Args:
            path: behind `/api/v1`.
            parameters: of the query; those that are None are left out.

        Raises:
            OperatorApiError: nobody answers, or no gateway, or it refuses; the text says what to do and holds no key.
        """
        query = urlencode({name: value for name, value in (parameters or {}).items() if value is not None})
        status, headers, body = self._ask(f"{self._base}{path}" + (f"?{query}" if query else ""))
        answer = None
        with suppress(ValueError, RecursionError):
            answer = json.loads(body)
        if status != HTTPStatus.OK or not isinstance(answer, dict):
            raise self._refused(status, answer, headers.get("Retry-After"))
        return answer

    def all_of(
        self, path: str, member: str, parameters: Mapping[str, Any], limit: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Answers page by page, until the last one or until they hold `limit` things.

        Args:
            path: behind `/api/v1`.
            member: of an answer, the list that is counted.
            parameters: of the query.
            limit: things in all; None takes every one.

        Raises:
            OperatorApiError: see `get`.
        """
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(left, PAGE)
            answer = self.get(path, {**parameters, "limit": size, "cursor": cursor})
            found = answer.get(member)
            if not isinstance(found, list):
                raise self._refused(HTTPStatus.OK, None, None)
            if left is not None:
                left -= len(found)
            yield answer
            before, cursor = cursor, answer.get("cursor")
            # A page may be short or even empty though others follow, but each cursor leads further.
            if cursor in (None, before):
                return

    def _ask(self, target: str) -> tuple[int, Message, bytes]:
        connection = self._connect(self._netloc, timeout=TIMEOUT)
        try:
            connection.request("GET", target, headers=self._headers)
            response: HTTPResponse = connection.getresponse()
            body = response.read(MAX_ANSWER_BYTES + 1)
        except (OSError, HTTPException) as error:
            raise OperatorApiError(
                f"no gateway answers at {self._url} ({str(error) or type(error).__name__}): is it running, and is "
                "--url right?"
            ) from None
        finally:
            connection.close()
        if len(body) > MAX_ANSWER_BYTES:
            raise OperatorApiError(f"{self._url} answers with more than {MAX_ANSWER_BYTES} bytes: that is no gateway")
        return response.status, response.headers, body

    def _refused(self, status: int, answer: Any, retry_after: str | None) -> OperatorApiError:
        said = answer.get("error") if isinstance(answer, dict) else None
        sentence = "".join(c for c in str(said)[:_SENTENCE] if c.isprintable()) if said else ""
        if status == HTTPStatus.TOO_MANY_REQUESTS and retry_after:
            sentence += f" (try again in {retry_after} s)"
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            sentence += "; here a key is given with --key or GATEWAY_OPERATOR_KEY"
        if not sentence:
            sentence = "no operator API answers like that: is it a gateway of this version, and is --url right?"
        return OperatorApiError(f"{self._url} answered with HTTP {status}: {sentence.lstrip('; ')}", status)
