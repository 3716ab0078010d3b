"""Close codes, drop reasons, error codes, outcomes of a resume, audiences."""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    # close codes
    "asked for": "se pidió",
    "shutdown, drain, or heartbeat timeout (60 to 90 s after the last message)": (
        "parada, drenaje o latido vencido (de 60 a 90 s después del último mensaje)"
    ),
    "a frame that RFC 6455 forbids": "una trama que el RFC 6455 prohíbe",
    "a text message that is not UTF-8": "un mensaje de texto que no es UTF-8",
    "a binary message": "un mensaje binario",
    "malformed `resume`": "`resume` mal formado",
    "a client message over 64 KiB": "un mensaje del cliente de más de 64 KiB",
    "a fault on our side": "un fallo nuestro",
    "slow consumer, Redis away at connect, or a tenant that connects too fast": (
        "cliente lento, Redis ausente al conectar, o un tenant que conecta demasiado deprisa"
    ),
    "token bad, expired or revoked": "token inválido, vencido o revocado",
    "role or branch not allowed, or a refresh for somebody else": (
        "rol o sucursal no permitidos, o un refresco con el token de otro"
    ),
    "over 20 messages/s (a bucket of 20, refilled 20 a second), for 60 s, or over a connections limit": (
        "más de 20 mensajes/s (un cubo de 20, que se llena a 20 por segundo), durante 60 s; o un límite de conexiones"
    ),
    "no": "no",
    "yes": "sí",
    "yes, with back-off": "sí, con espera creciente",
    # drop reasons
    "not JSON, not UTF-8, or nested too deep": "no es JSON, no es UTF-8, o está anidado demasiado hondo",
    "not an object, or `type`, `tenant_id`, `branch_id`, `session_id` or `sector_id` missing or of the wrong type": (
        "no es un objeto, o `type`, `tenant_id`, `branch_id`, `session_id` o `sector_id` falta o es de otro tipo"
    ),
    "over 64 KiB": "más de 64 KiB",
    "brings `event_id` or `position`, which are the gateway's to set": (
        "trae `event_id` o `position`, que solo pone el gateway"
    ),
    "a type that the routing table does not know": "un tipo que la tabla de enrutamiento no conoce",
    "a type that the routing table does not give to the channel's audience": (
        "un tipo que la tabla de enrutamiento no da a la audiencia del canal"
    ),
    "the channel is none of the gateway's, or names another branch, session or sector than the event": (
        "el canal no es del gateway, o nombra otra sucursal, sesión o sector que el evento"
    ),
    "no permit was free: the node or the room has too many broadcasts waiting": (
        "no quedaba permiso: el nodo o la sala tiene demasiados eventos en curso"
    ),
    "its tenant brings more best-effort events than `GATEWAY_EVENT_RATE_PER_TENANT`": (
        "su tenant trae más eventos sin garantía que `GATEWAY_EVENT_RATE_PER_TENANT`"
    ),
    # error codes
    "the message is neither a known bare word nor a JSON object with a string `type`": (
        "el mensaje no es una palabra conocida ni un objeto JSON con `type` de texto"
    ),
    "the message's `type` is none that a client may send, or lacks what that type needs": (
        "su `type` no es de los que un cliente puede enviar, o le falta lo que ese tipo necesita"
    ),
    "a second refresh within 10 s": "un segundo refresco en menos de 10 s",
    "the new token is bad, expired or revoked; the old one stays": (
        "el token nuevo es inválido, está vencido o revocado; sigue valiendo el anterior"
    ),
    # outcomes of a resume
    "nothing was missed, or the node remembered all of it": "no faltaba nada, o el nodo lo recordaba todo",
    "what was missed was read from history": "lo que faltaba se leyó del historial",
    "the position is not known any more: `resumed` was false": "la posición ya no se conoce: `resumed` fue false",
    "history ended on the way: the client was told by a `gap`": (
        "el historial se acabó por el camino: el cliente recibió un `gap`"
    ),
    "it made no end in time: closed with 1013": "no terminó a tiempo: cerrada con 1013",
    "too many others were being resumed: closed with 1013": "había demasiadas reanudaciones: cerrada con 1013",
    "the connection ended first": "la conexión terminó antes",
    # audiences
    "`/ws/waiter` connections of the branch": "conexiones de `/ws/waiter` de la sucursal",
    "`/ws/kitchen` connections of the branch": "conexiones de `/ws/kitchen` de la sucursal",
    "`/ws/admin` connections of the branch, and MANAGER or ADMIN users on any staff endpoint": (
        "conexiones de `/ws/admin` de la sucursal, y usuarios MANAGER o ADMIN en cualquier endpoint de personal"
    ),
    "`/ws/waiter` connections whose user is assigned to the sector": (
        "conexiones de `/ws/waiter` cuyo usuario está asignado al sector"
    ),
    "`/ws/diner` connections of the table session": "conexiones de `/ws/diner` de la sesión de mesa",
}
