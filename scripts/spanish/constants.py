"""Numbers that are no settings, each read from where it stands."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Final

RUST: Final = Path(__file__).resolve().parents[2] / "rust" / "fanout_core" / "src"

CONSTANTS: Final[tuple[tuple[str, str, str], ...]] = (
    # where it stands, its unit, what it is
    ("gateway.fanout.base.MAX_BROADCASTS", "", "eventos en curso por nodo (la cola del sistema auditado)"),
    ("gateway.fanout.base.MAX_BROADCAST_BYTES", "B", "contenido de esos eventos, por nodo"),
    ("gateway.fanout.base.MAX_ROOM_BROADCASTS", "", "eventos en curso por sala"),
    ("gateway.fanout.base.OUTBOX_BYTES", "B", "bandeja de salida de una conexión"),
    ("gateway.fanout.base.NODE_OUTBOX_BYTES", "B", "bandejas de salida de todo el nodo"),
    ("gateway.fanout.broadcaster.SLICE", "", "destinatarios que un worker atiende antes de ceder el turno"),
    ("reactor/thread.rs:PASS_EVENTS", "", "destinatarios que un reactor atiende antes de mirar sus sockets"),
    ("directory.rs:SHARDS", "", "cerrojos de `get_tenant_branch_lock`"),
    ("directory.rs:BLOCK", "", "miembros seguidos de una sala en un mismo reactor"),
    ("gateway.protocol.events.MAX_EVENT_BYTES", "B", "tamaño máximo de un evento"),
    ("gateway.ingest.relay_base.BATCH_EVENTS", "", "entradas por lectura del relé"),
    ("gateway.ingest.relay_base.RelayNumbers.refeed", "s", "parte final del stream que se repasa al tomar el relevo"),
    ("gateway.ingest.relay_base.RelayNumbers.keep", "s", "tiempo que el stream conserva lo retransmitido"),
    ("gateway.protocol.keys.DLQ_ENTRIES", "", "cartas que guarda la DLQ"),
    ("gateway.ingest.room_ring.RING_EVENTS", "", "eventos de una sala que el nodo recuerda"),
    ("gateway.ingest.live_subscriber.CHECK_SECONDS", "s", "entre dos comparaciones de cursores y cabezas, de media"),
    ("gateway.ingest.live_interest.LINGER_SECONDS", "s", "tiempo que se sigue una sala vacía"),
    ("gateway.ingest.resumes.PLACES", "", "reanudaciones simultáneas por nodo"),
    ("gateway.ingest.resumes.REPLAY_SECONDS", "s", "duración máxima de una reanudación"),
    ("gateway.ingest.resume_base.PAGE_BYTES", "B", "página de historial"),
    ("gateway.hub.catchup.MAX_EVENTS", "", "eventos por respuesta de recuperación HTTP"),
    ("gateway.hub.revalidation.BATCH", "", "conexiones revalidadas por viaje a Redis"),
    ("gateway.hub.rights.MEMORY_SECONDS", "s", "tiempo que se recuerda un anuncio para quien está entrando"),
    ("gateway.hub.sectors.CACHE_SECONDS", "s", "tiempo que se cree una asignación de sectores"),
    ("gateway.hub.refresh.REFRESH_SECONDS", "s", "entre dos refrescos de una conexión"),
    ("gateway.hub.join_queue.PATIENCE_SECONDS", "s", "espera máxima de un handshake por su turno"),
    ("gateway.hub.penalties.PENALTY_SECONDS", "s", "rechazo tras un cierre por exceso de mensajes"),
    ("gateway.broker.redis_limits.LEASE_SECONDS", "s", "vida de una plaza sin renovar"),
    ("gateway.hub.place_keeper.RENEW_SECONDS", "s", "entre dos renovaciones de una plaza"),
    ("gateway.auth.table_token.DEFAULT_EXPIRES_IN", "s", "vida de un token de mesa recién emitido"),
    (
        "gateway.resilience.circuit_breaker.FIRST_OPEN_SECONDS",
        "s",
        "lo que un cortacircuitos deja de preguntar a Redis la primera vez",
    ),
    ("gateway.wiring.ground.LINK_OPEN_SECONDS", "s", "lo más que un enlace con Redis espera entre dos intentos"),
    ("gateway.server.bounded_http.HEAD_SECONDS", "s", "tiempo para la cabecera de una petición"),
)


def value_of(place: str) -> float:
    """The number that stands there now: a Python constant, a dataclass' default, or a constant of the native core.

    Raises:
        LookupError: there is none.
    """
    file, _, name = place.partition(":")
    if name:
        found = re.search(rf"\bconst {name}: \w+ = ([\d_]+);", (RUST / file).read_text("utf-8"))
        if found is None:
            raise LookupError(f"{place}: no such constant")
        return float(found[1])
    parts = place.split(".")
    for size in range(len(parts) - 1, 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            fields = getattr(value, "__dataclass_fields__", {})  # with slots, a class has no defaults of its own
            value = fields[part].default if part in fields else getattr(value, part, None)
        if isinstance(value, int | float):
            return float(value)
    raise LookupError(f"{place}: no number stands there")


def spelled(value: float, unit: str) -> str:
    """A number as Spanish spells it, with its unit."""
    for size, name in ((1024 * 1024, "MiB"), (1024, "KiB")):
        if unit == "B" and value >= size and value % size == 0:
            return f"{value / size:g} {name}"
    number = f"{value:,.0f}" if value == int(value) else f"{value:g}"
    number = number.replace(",", "\N{NO-BREAK SPACE}").replace(".", ",")
    return f"{number} {unit}".strip()
