"""The names in Redis: the rows of `docs/reference/redis.md`, which a test holds to the code, in Spanish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "redis.md"

SENTENCES: dict[str, str] = {
    # names
    "the five channels of [routing](routing.md)": "los cinco canales de arriba",
    # kinds
    "Pub/Sub": "Pub/Sub",
    "sharded Pub/Sub": "Pub/Sub fragmentado",
    "set": "conjunto",
    "stream": "stream",
    "stream, at most 10,000": "stream, 10 000 como mucho",
    "stream, `GATEWAY_HISTORY_EVENTS`, `GATEWAY_HISTORY_TTL`": (
        "stream, `GATEWAY_HISTORY_EVENTS`, `GATEWAY_HISTORY_TTL`"
    ),
    "string, 24 h": "cadena, 24 h",
    "string, 60 s": "cadena, 60 s",
    "string, 10 s": "cadena, 10 s",
    "list, 10 s": "lista, 10 s",
    "string, `GATEWAY_TOKEN_MAX_AGE`": "cadena, `GATEWAY_TOKEN_MAX_AGE`",
    "string: Unix seconds, `GATEWAY_TOKEN_MAX_AGE`": "cadena: segundos Unix, `GATEWAY_TOKEN_MAX_AGE`",
    "string, `GATEWAY_RELAY_LEASE`": "cadena, `GATEWAY_RELAY_LEASE`",
    "string, `GATEWAY_HEAD_TTL`": "cadena, `GATEWAY_HEAD_TTL`",
    "string, as long as the head": "cadena, tanto como la cabeza",
    "the same": "lo mismo",
    "counter, 7 d": "contador, 7 días",
    "consumer group": "grupo de consumidores",
    "sorted set, 60 s": "conjunto ordenado, 60 s",
    "sorted set, 30 s": "conjunto ordenado, 30 s",
    # what they are
    "best-effort events": "eventos sin garantía",
    "the sectors of a user, where the token does not carry them; believed for 300 s, or until a change is announced": (
        "los sectores de un usuario, si el token no los trae; se creen 300 s, o hasta que se anuncia un cambio"
    ),
    'whose sectors have changed: `{"tenant_id":7,"user_id":"12"}`': (
        'de quién han cambiado los sectores: `{"tenant_id":7,"user_id":"12"}`'
    ),
    "one revoked token; its existence counts, the value is the time": (
        "un token revocado; cuenta que exista, el valor es la hora"
    ),
    "tokens of the user with an `iat` not later are refused": (
        "se rechazan los tokens del usuario con un `iat` no posterior"
    ),
    "the same for a table session": "lo mismo para una sesión de mesa",
    "the same for a tenant": "lo mismo para un tenant",
    '`{"jti":"…"}`, `{"tenant_id":7,"user_id":"12"}`, `{"tenant_id":7,"session_id":77}` or `{"tenant_id":7}`: look at'
    " that key now; written behind it": (
        '`{"jti":"…"}`, `{"tenant_id":7,"user_id":"12"}`, `{"tenant_id":7,"session_id":77}` o `{"tenant_id":7}`: mira'
        " esa clave ahora; se publica después de escribirla"
    ),
    "critical events; field `event` holds the JSON; trimmed to an hour": (
        "eventos críticos; el campo `event` lleva el JSON; recortado a una hora"
    ),
    "the stream id that an idempotency key of `emit` was given": (
        "el id del stream que recibió una clave de idempotencia de `emit`"
    ),
    "the gateways' one group on it, with the one consumer name `relay`": (
        "el grupo único de los gateways, con un solo nombre de consumidor, `relay`"
    ),
    "which node is the active relay": "qué nodo es el relé activo",
    "goes up with every lease that is granted": "crece con cada concesión",
    "entries that cannot be delivered: `id`, `event` (or `fields`), `reason`, `error`, `tries`, `node`, `time`": (
        "entradas que no se pueden entregar: `id`, `event` (o `fields`), `reason`, `error`, `tries`, `node`, `time`"
    ),
    "the room's critical events with their audiences, under the source's ids": (
        "los eventos críticos de la sala con sus audiencias, con los ids del origen"
    ),
    "the room's last position; outlives the history": "la última posición de la sala; sobrevive al historial",
    "the number of the lease under which the room was last written": (
        "el número de la concesión con la que se escribió la sala por última vez"
    ),
    "the room's critical events as they are relayed, and best-effort events that came by the API without a channel": (
        "los eventos críticos de la sala según se retransmiten, y los sin garantía que llegan por la API sin canal"
    ),
    "[places](../concepts/limits.md#places-over-all-nodes) of a user, a table session and, where it is limited, a"
    " tenant, by the server's milliseconds at which each lapses": (
        "[plazas](../concepts/limits.md#places-over-all-nodes) de un usuario, de una sesión de mesa y, donde se limita,"
        " de un tenant, por los milisegundos del servidor en que caduca cada una"
    ),
    "a number that changes every second while the node lives: [what a dead one held is"
    " free](../concepts/limits.md#places-over-all-nodes)": (
        "un número que cambia cada segundo mientras el nodo vive: [lo que tenía uno muerto queda"
        " libre](../concepts/limits.md#places-over-all-nodes)"
    ),
    "closed for its message rate a moment ago, and refused": (
        "cerrado hace un momento por exceso de mensajes, y rechazado"
    ),
    "the stream id under which a dead letter, or the source entry that it was, was replayed": (
        "el id con el que se volvió a enviar una carta de la DLQ, o la entrada que fue"
    ),
    "what nodes ask each other for the [operator API](http.md#operator-api)": (
        "lo que los nodos se preguntan para la [API de operación](../reference/http.md#operator-api)"
    ),
    "the names of the nodes that live, by the server's milliseconds at which each lapses": (
        "los nombres de los nodos vivos, por los milisegundos del servidor en que caduca cada uno"
    ),
    "what nodes answered to one question": "lo que los nodos respondieron a una pregunta",
    # who writes them
    "producers": "productores",
    "the back end": "el back-end",
    "`gateway revoke`, `Revoker`": "`gateway revoke`, `Revoker`",
    "producers; the relay trims": "productores; recorta el relé",
    "the relay": "el relé",
    "the relay, nodes": "el relé, los nodos",
    "the relay; people take letters out": "el relé; las personas sacan cartas",
    "nodes": "los nodos",
    "`gateway dlq replay`, the operator API": "`gateway dlq replay`, la API de operación",
}


def rows() -> Iterator[tuple[str, ...]]:
    """The rows of the English table: name, kind, what it is, who writes it."""
    names = PAGE.read_text("utf-8").partition("\n## Names\n")[2].partition("\n## ")[0]
    lines = [line for line in names.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
