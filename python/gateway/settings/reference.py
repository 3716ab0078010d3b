"""The documentation's table of settings, from the settings themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.settings.model import Settings
from gateway.settings.note import expected, note_of, variable

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def settings_table() -> str:
    """A Markdown table with one row per setting, in the order of `Settings`."""
    rows = [
        "| setting | default | value | meaning |",
        "|---|---|---|---|",
        *(_row(name, field) for name, field in Settings.model_fields.items()),
    ]
    return "\n".join(rows) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    note = note_of(field)
    meaning = field.description or ""
    if note.secret:
        meaning += f" Or `{variable(name)}_FILE`."
    if note.later:
        meaning += f" *Accepted, but not used in this version: {note.later}.*"
    cells = (f"`{variable(name)}`", _default(field.get_default(call_default_factory=True)), expected(field), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: Any) -> str:
    if value in (None, "", (), {}):
        return "-"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
