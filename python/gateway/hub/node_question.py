"""What one node asks another, and what it is told."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from gateway.telemetry.logging import get_logger

MAX_ANSWER_BYTES = 2 * 1024 * 1024
"""An answer's JSON. Lists come in pages far below it."""

T = TypeVar("T")

_log = get_logger("gateway.hub.node_talk")

_Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.]{1,64}\Z")]


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question.

    Attributes:
        id: under which answers are left; nobody else's.
        asker: the node that asks.
        kind: what is asked.
        args: of that kind.
        to: the one node that is meant; None for all.
    """

    id: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    asker: _Name
    kind: Annotated[str, Meta(max_length=64)]
    args: dict[str, Any] = {}
    to: _Name | None = None


class Answer(msgspec.Struct, frozen=True):
    """An answer.

    Attributes:
        node: whose.
        body: JSON; null where there is an error.
        error: why there is none, in a sentence.
    """

    node: _Name
    body: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None


class Answers(msgspec.Struct, frozen=True):
    """What a question brought.

    Attributes:
        bodies: JSON, by node.
        silent: nodes that live and did not answer in time, or with an error, in order.
    """

    bodies: dict[str, bytes]
    silent: tuple[str, ...]

    def read(self, kind: type[T]) -> tuple[dict[str, T], tuple[str, ...]]:
        """The answers by node, in the order of names, and the silent nodes.

        One that cannot be read is as good as none: a node of another version may say other things.
        """
        found: dict[str, T] = {}
        silent = list(self.silent)
        for node, body in sorted(self.bodies.items()):
            try:
                found[node] = msgspec.json.decode(body, type=kind)
            except msgspec.DecodeError as error:
                _log.warning("a node's answer cannot be read; it may be of another version", node=node, why=str(error))
                silent.append(node)
        return found, tuple(sorted(silent))


_decode_question = msgspec.json.Decoder(Question).decode
_decode_answer = msgspec.json.Decoder(Answer).decode


def parse_question(payload: bytes) -> Question:
    """Read what came on the nodes' channel.

    Raises:
        ValueError: it is no question; the text repeats no value.
    """
    try:
        return _decode_question(payload)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("not JSON") from None


def parse_answer(payload: bytes) -> Answer:
    """Read what a node answered.

    Raises:
        ValueError: it is no answer.
    """
    try:
        return _decode_answer(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("not an answer") from None
