"""From the validation library's errors to sentences about environment variables."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from gateway.settings.note import expected, note_of, variable

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_SHOWN = 80
"""Characters of a bad value that an error quotes."""


def describe(model: type[BaseModel], error: ValidationError) -> list[str]:
    """One line for each field: the variable, what was found (never of a secret) and what was expected."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0])
        field = model.model_fields.get(name)
        if field is None:
            near = get_close_matches(name, model.model_fields, n=1)
            lines[name] = f"{name!r} is not a setting" + (f": did you mean {near[0]!r}?" if near else "")
            continue
        found = "" if note_of(field).secret else f" is {_cut(detail['input'])}"
        # A check of ours says itself what it expected.
        said = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else f"expected {expected(field)}"
        # A list can be wrong in several places: one line says so.
        lines.setdefault(name, f"{variable(name)}{found}: {said}")
    return list(lines.values())


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
