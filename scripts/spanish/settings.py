"""What each setting means."""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    "`production` refuses to start with missing, weak or development secrets, or without allowed origins.": (
        "`production` no arranca si un secreto falta, es débil o es el de desarrollo, ni sin orígenes permitidos."
    ),
    "Address to listen on.": "Dirección en la que se escucha.",
    "TCP port; 0 lets the system choose a free one.": "Puerto TCP; con 0 el sistema elige uno libre.",
    "Redis ≥ 7 or Valkey by URL; empty starts the embedded server.": (
        "Redis ≥ 7 o Valkey por URL; vacío arranca el servidor embebido."
    ),
    "Secret of staff tokens without `kid` (HS256).": "Secreto de los tokens de personal sin `kid` (HS256).",
    "Secrets of staff tokens by `kid`, as `kid:secret,…`; a secret here holds no comma.": (
        "Secretos de los tokens de personal por `kid`, como `kid:secreto,…`; aquí un secreto no lleva comas."
    ),
    "Secret of table tokens without `kid`.": "Secreto de los tokens de mesa sin `kid`.",
    "Secrets of table tokens by `kid`, as `kid:secret,…`.": (
        "Secretos de los tokens de mesa por `kid`, como `kid:secreto,…`."
    ),
    "Longest life of a token, from `iat` to `exp`; 0 is unlimited.": (
        "Vida máxima de un token, de `iat` a `exp`; 0 es sin límite."
    ),
    "By how much an issuer's clock may be ahead of ours; `exp` has no leeway.": (
        "Cuánto puede adelantar el reloj de un emisor; `exp` no tiene margen."
    ),
    "TOML file of further issuers of staff tokens, with their keys; empty is none.": (
        "Fichero TOML con más emisores de tokens de personal y sus claves; vacío es ninguno."
    ),
    "Origins of browsers that may connect, separated by commas; empty is any, in development only.": (
        "Orígenes de navegador que pueden conectar, separados por comas; vacío es cualquiera, solo en desarrollo."
    ),
    "TOML file that extends or replaces the routing table; empty is none.": (
        "Fichero TOML que amplía o sustituye la tabla de enrutamiento; vacío es ninguno."
    ),
    "Fan-out core; `auto` is `native` where the extension is there, and always in production.": (
        "Núcleo de difusión; `auto` es `native` donde está la extensión, y siempre en producción."
    ),
    "Who owns client sockets after the handshake: the native core, where the server can hand them over, or the ASGI"
    " server. The pure core implies `asgi`.": (
        "De quién es el socket tras el handshake: del núcleo nativo, donde el servidor puede entregarlo, o del servidor"
        " ASGI. El núcleo puro implica `asgi`."
    ),
    "Subscribe the channels that are needed by name, or everything by five patterns.": (
        "Suscribirse por nombre a los canales que hacen falta, o a todo con cinco patrones."
    ),
    "Workers that pass events to ASGI connections.": "Workers que pasan eventos a las conexiones ASGI.",
    "Events that may wait to be passed on; more are dropped.": (
        "Eventos que pueden esperar su difusión; los demás se descartan."
    ),
    "Connections of this node; 0 is what the descriptor limit leaves.": (
        "Conexiones de este nodo; 0 es lo que deja el límite de descriptores."
    ),
    "Connections of one user over all nodes; 0 is unlimited.": (
        "Conexiones de un usuario en todos los nodos; 0 es sin límite."
    ),
    "Connections of one table session over all nodes; 0 is unlimited.": (
        "Conexiones de una sesión de mesa en todos los nodos; 0 es sin límite."
    ),
    "Connections of one tenant over all nodes; 0 is unlimited.": (
        "Conexiones de un tenant en todos los nodos; 0 es sin límite."
    ),
    "Share of this node's places that only staff may take.": (
        "Parte de las plazas de este nodo reservada al personal."
    ),
    "Handshakes that this node takes up; others wait up to 5 s, staff in front. 0 is unlimited.": (
        "Handshakes que este nodo atiende; los demás esperan hasta 5 s, el personal delante. 0 es sin límite."
    ),
    "Handshakes of one client address on this node, ten seconds' worth at once; 0 is unlimited.": (
        "Handshakes de una dirección de cliente en este nodo, los de diez segundos a la vez; 0 es sin límite."
    ),
    "Handshakes of one tenant on this node, ten seconds' worth at once; 0 is unlimited.": (
        "Handshakes de un tenant en este nodo, los de diez segundos a la vez; 0 es sin límite."
    ),
    "Best-effort events of one tenant on this node, one second's worth at once; 0 is unlimited.": (
        "Eventos sin garantía de un tenant en este nodo, los de un segundo a la vez; 0 es sin límite."
    ),
    "Proxies whose `X-Forwarded-For` is believed, as networks separated by commas; empty is none.": (
        "Proxies cuyo `X-Forwarded-For` se cree, como redes separadas por comas; vacío es ninguno."
    ),
    "Messages of one client, and the burst it may send; 0 is unlimited.": (
        "Mensajes de un cliente, y la ráfaga que puede enviar; 0 es sin límite."
    ),
    "A client's longest message.": "El mensaje más largo de un cliente.",
    "How often a client is asked, in `welcome`, to send `ping`.": (
        "Cada cuánto se pide al cliente, en `welcome`, que envíe `ping`."
    ),
    "Silence after which a connection is closed with 1001.": ("Silencio tras el cual una conexión se cierra con 1001."),
    "How often a connection's JWT is checked again.": "Cada cuánto se vuelve a comprobar el JWT de una conexión.",
    "How often a connection's table token is checked again.": (
        "Cada cuánto se vuelve a comprobar el token de mesa de una conexión."
    ),
    "Critical events that a room's history keeps.": "Eventos críticos que guarda el historial de una sala.",
    "How long a quiet room's history is kept.": "Cuánto se guarda el historial de una sala en silencio.",
    "How long a quiet room's last position is kept.": ("Cuánto se guarda la última posición de una sala en silencio."),
    "How long a relay that fell silent keeps its lease.": ("Cuánto conserva su concesión un relé que ha enmudecido."),
    "Attempts after which a critical event goes to the DLQ.": (
        "Intentos tras los cuales un evento crítico va a la DLQ."
    ),
    "How long a stopping gateway takes to send its clients away, and then to pass events on.": (
        "Cuánto tarda un gateway que se detiene en despedir a sus clientes, y después en entregar lo aceptado."
    ),
    "Failures in a row after which Redis is not asked for a while.": (
        "Fallos seguidos tras los cuales no se pregunta a Redis durante un rato."
    ),
    "The longest that it is not asked; a second at first, and twice as long after each failed trial.": (
        "Lo más que dura ese rato; un segundo al principio, y el doble tras cada prueba fallida."
    ),
    "Trials that must succeed before all is as before.": (
        "Pruebas que deben salir bien para que todo vuelva a ser como antes."
    ),
    "Share of events dropped, in the window, that raises an alert.": (
        "Parte de eventos descartados, en la ventana, que produce una alerta."
    ),
    "The window over which that share is taken.": "La ventana sobre la que se toma esa parte.",
    "At most one alert in this time.": "Como mucho una alerta en este tiempo.",
    "Spans of events that bring a `traceparent`, by OpenTelemetry, which `OTEL_…` variables set up.": (
        "Trazas de los eventos que traen un `traceparent`, con OpenTelemetry, que se configura con variables `OTEL_…`."
    ),
    "Key for `/ws/health/detailed`, `/ws/metrics` and all of `/api/v1`, sent as `Authorization: Bearer …`.": (
        "Clave de `/ws/health/detailed`, `/ws/metrics` y todo `/api/v1`, enviada como `Authorization: Bearer …`."
    ),
    "Keys that may look at everything under `/api/v1`, each with a name for the log.": (
        "Claves que pueden mirarlo todo bajo `/api/v1`, cada una con un nombre para el registro."
    ),
    "Keys that may send events by `/api/v1`.": "Claves que pueden enviar eventos por `/api/v1`.",
    "Keys that may disconnect, revoke, drain, replay and discard by `/api/v1`.": (
        "Claves que pueden desconectar, revocar, drenar, reenviar y descartar por `/api/v1`."
    ),
    "Events that this node takes by `/api/v1`, a second's worth or 1000 at once; 0 is unlimited.": (
        "Eventos que este nodo acepta por `/api/v1`, los de un segundo o 1000 a la vez; 0 es sin límite."
    ),
    "The same for one tenant; 0 is unlimited.": "Lo mismo para un tenant; 0 es sin límite.",
    "Tenants that have metrics of their own, the busiest; all others share a series. 0 is none.": (
        "Tenants con métricas propias, los más activos; todos los demás comparten una serie. 0 es ninguno."
    ),
    "Directory of mode 0700 in which workers that share a port find each other, so that `/ws/metrics` of one shows "
    "all; `gateway serve --workers` makes one. Empty is none.": (
        "Directorio con modo 0700 en el que los procesos que comparten un puerto se encuentran, para que `/ws/metrics` "
        "de uno muestre todos; `gateway serve --workers` crea uno. Vacío es ninguno."
    ),
}
