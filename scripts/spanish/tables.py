"""The tables themselves, by the names that they have in `docs/es`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.auth.identity import Role
from gateway.hub.manager import REFUSALS
from gateway.hub.profiles import PROFILES
from gateway.ingest.resume_base import RESUME_OUTCOMES
from gateway.protocol.audiences import AUDIENCE_MEMBERS, AudienceKind
from gateway.protocol.close_codes import CLOSE_CODES
from gateway.protocol.events import DROP_REASONS
from gateway.protocol.messages import ERROR_CODES
from gateway.protocol.routing import DEFAULT_RULES
from gateway.settings import Settings
from gateway.settings.note import note_of, variable
from gateway.telemetry.metrics import Metrics
from scripts.markdown_table import markdown
from scripts.spanish import redis_names
from scripts.spanish.catalogue import spanish
from scripts.spanish.constants import CONSTANTS, spelled, value_of


def _constants() -> str:
    return markdown(
        ("constante", "valor", "qué fija"),
        ((f"`{place}`", spelled(value_of(place), unit), meaning) for place, unit, meaning in CONSTANTS),
    )


def _channels() -> str:
    return markdown(
        ("audiencia y canal", "patrón", "quién está en ella"),
        (
            (f"`{kind.value.format('<id>')}`", f"`{kind.value.format('*')}`", spanish(AUDIENCE_MEMBERS[kind]))
            for kind in AudienceKind
        ),
    )


def _endpoints() -> str:
    return markdown(
        ("ruta", "token", "roles"),
        (
            (
                f"`{profile.path}?{profile.token_parameter}=`",
                "JWT" if profile.is_staff else "token de mesa",
                ", ".join(role for role in Role if role in profile.roles) or "ninguno: atado a una sesión de mesa",
            )
            for profile in PROFILES.values()
        ),
    )


def _routing() -> str:
    yes = {True: "sí", False: ""}
    waiters = {"all": "todos", "sector": "sector", False: "", None: ""}
    return markdown(
        ("tipo de evento", "admin", "cocina", "camareros", "sesión"),
        (
            (f"`{kind}`", yes[rule.admin], yes[rule.kitchen], waiters[rule.waiters], yes[rule.session])
            for kind, rule in DEFAULT_RULES.items()
        ),
    )


def _sentences(first: str, sentences: dict[Any, str]) -> str:
    return markdown((first, "significado"), ((f"`{name}`", spanish(text)) for name, text in sentences.items()))


def _close_codes() -> str:
    return markdown(
        ("código", "nombre", "cuándo", "el cliente vuelve"),
        (
            (int(code), f"`{code.name}`", spanish(meaning.when), spanish(meaning.reconnect))
            for code, meaning in CLOSE_CODES.items()
        ),
    )


def _refusals() -> str:
    return markdown(
        ("motivo en métricas y registro", "código"),
        ((f"`{outcome}`", f"{int(code)} `{code.name}`") for code, outcome in REFUSALS.values()),
    )


def _settings() -> str:
    return markdown(
        ("variable", "por defecto", "significado"),
        (
            (
                f"`{variable(name)}`",
                _default(field.get_default(call_default_factory=True), note_of(field).unit),
                spanish(field.description or ""),
            )
            for name, field in Settings.model_fields.items()
        ),
    )


def _default(value: object, unit: str) -> str:
    if value in (None, "", (), {}):
        return "-"
    text = f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    return f"{text} {unit.replace('events', 'eventos')}".strip()


def _metrics() -> str:
    return markdown(
        ("métrica", "tipo", "etiquetas", "significado"),
        (
            (f"`{entry.name}`", entry.type, ", ".join(f"`{label}`" for label in entry.labels), spanish(entry.help))
            for entry in Metrics().catalogue()
        ),
    )


def _redis_names() -> str:
    return markdown(
        ("nombre", "tipo y vida", "qué es", "quién escribe"),
        (
            (name if name.startswith("`") else spanish(name), spanish(kind), spanish(what), spanish(who))
            for name, kind, what, who in redis_names.rows()
        ),
    )


TABLES: dict[str, Callable[[], str]] = {
    "es_channels": _channels,
    "es_close_codes": _close_codes,
    "es_constants": _constants,
    "es_drop_reasons": lambda: _sentences("motivo", DROP_REASONS),
    "es_endpoints": _endpoints,
    "es_error_codes": lambda: _sentences("código", ERROR_CODES),
    "es_metrics": _metrics,
    "es_redis_names": _redis_names,
    "es_refusals": _refusals,
    "es_resume_outcomes": lambda: _sentences("resultado", RESUME_OUTCOMES),
    "es_routing": _routing,
    "es_settings": _settings,
}
