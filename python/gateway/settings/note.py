"""What a setting's annotation says beyond its type and its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PREFIX = "GATEWAY_"
"""What every setting's environment variable begins with."""


@dataclass(frozen=True, slots=True)
class Note:
    """Stands in a field's `Annotated`.

    Attributes:
        unit: of a number, as it is written behind it.
        expected: what a good value looks like, where type and bounds do not say it.
        later: what the setting is for, if this version accepts it and does not use it yet.
        secret: its value never stands in an error, and `<NAME>_FILE` may name a file that holds it.
    """

    unit: str = ""
    expected: str = ""
    later: str = ""
    secret: bool = False


def note_of(field: FieldInfo) -> Note:
    """The field's `Note`, or an empty one."""
    return next((item for item in field.metadata if isinstance(item, Note)), Note())


def variable(name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + name.upper()


def expected(field: FieldInfo) -> str:
    """What a good value looks like, in words, from the field's type and bounds, so that text and check agree."""
    note = note_of(field)
    if note.expected:
        return note.expected
    if get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(get_args(field.annotation))
    kind = "a whole number" if field.annotation is int else "a number"
    unit = f" ({note.unit})" if note.unit else ""
    return kind + _bounds(field.metadata) + unit


def _bounds(metadata: list[Any]) -> str:
    low = next((item.ge for item in metadata if isinstance(item, Ge)), None)
    above = next((item.gt for item in metadata if isinstance(item, Gt)), None)
    high = next((item.le for item in metadata if isinstance(item, Le)), None)
    if above is not None:
        return f" above {above}" + (f", at most {high}" if high is not None else "")
    if high is not None:
        return f" from {low} to {high}"
    return f" of at least {low}" if low is not None else ""
