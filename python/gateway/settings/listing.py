"""What is set, and by what: for people, so without secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import SecretStr

from gateway.redis_url import redact_url
from gateway.settings.model import Settings
from gateway.settings.note import note_of, variable
from gateway.settings.source import FILE_SUFFIX, read_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "default"
ENVIRONMENT = "environment"


class SettingLine(NamedTuple):
    """One setting.

    Attributes:
        name: its environment variable.
        value: as it would be written there; of a secret how long it is, and of a Redis URL all but the password.
        unit: of a number; empty where it has none.
        origin: `default`, `environment`, or `file <path>`.
        meaning: what it is for.
    """

    name: str
    value: str
    unit: str
    origin: str
    meaning: str


def list_settings(environ: Mapping[str, str] | None = None) -> tuple[list[SettingLine], tuple[str, ...]]:
    """Every setting, and a sentence for each `GATEWAY_…` variable that is none. Thread-safe.

    Args:
        environ: variables by name; None is the process' own environment.

    Raises:
        SettingsError: see `Settings.load`.
    """
    environ = os.environ if environ is None else environ
    settings = Settings.load(environ)
    given = read_environment(Settings, environ, skip=()).values
    lines = []
    for name, field in Settings.model_fields.items():
        note = note_of(field)
        origin = DEFAULT
        if name in given:
            file = environ.get(variable(name) + FILE_SUFFIX) if note.secret else None
            origin = f"file {file}" if file else ENVIRONMENT
        value = getattr(settings, name)
        lines.append(
            SettingLine(
                variable(name),
                _hidden(value) if note.secret else _shown(value),
                note.unit,
                origin,
                field.description or "",
            )
        )
    return lines, settings.unknown


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _hidden(value: Any) -> str:
    """A secret of whatever form, without it."""
    if isinstance(value, SecretStr):
        return f"(hidden, {len(value.get_secret_value().encode())} bytes)"
    if isinstance(value, dict):
        return ",".join(f"{name}:{_hidden(secret)}" for name, secret in value.items())
    return redact_url(value) if value else ""


def secret_variables() -> list[str]:
    """Variables of settings that are secret, and may be read from the file that the same name with `_FILE` names."""
    return [variable(name) for name, field in Settings.model_fields.items() if note_of(field).secret]
