"""What each metric counts."""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    "Connections that are open.": "Conexiones abiertas.",
    "Handshakes by how they ended.": "Handshakes según cómo terminaron.",
    "Connections that ended, by close code.": "Conexiones terminadas, por código de cierre.",
    "Events that came in, good or bad.": "Eventos que entraron, buenos o malos.",
    "Events that were not delivered.": "Eventos que no se entregaron.",
    "Events that the core accepted.": "Eventos que el núcleo aceptó.",
    "Events that were passed to all their recipients.": "Eventos pasados a todos sus destinatarios.",
    "Recipients of those events, together.": "Destinatarios de esos eventos, sumados.",
    "Best-effort events dropped from the outboxes of slow connections.": (
        "Eventos sin garantía descartados de las bandejas de conexiones lentas."
    ),
    "Messages of clients.": "Mensajes de clientes.",
    "Error messages sent to clients.": "Mensajes de error enviados a clientes.",
    "Cuts of the Pub/Sub connection; events were missed, nobody knows how many.": (
        "Cortes de la conexión Pub/Sub; se perdieron eventos, nadie sabe cuántos."
    ),
    "Pub/Sub connections that were made again.": "Conexiones Pub/Sub restablecidas.",
    "Seconds from each cut until all subscriptions stood again.": (
        "Segundos desde cada corte hasta que todas las suscripciones volvieron a estar."
    ),
    "Circuit breakers: 0 closed, 1 half-open, 2 open.": "Cortacircuitos: 0 cerrado, 1 semiabierto, 2 abierto.",
    "Alerts that too large a share of events was dropped.": (
        "Alertas de que se descartó una parte demasiado grande de los eventos."
    ),
    "Where users' sectors came from.": "De dónde salieron los sectores de los usuarios.",
    "1 while Redis answers.": "1 mientras Redis responde.",
    "1 while the gateway is stopping.": "1 mientras el gateway se detiene.",
    "1, with what is running as labels.": "1, con lo que se ejecuta como etiquetas.",
    "Cuts of the live channels' connection.": "Cortes de la conexión de los canales en vivo.",
    "Rooms that were read from history.": "Salas leídas del historial.",
    "Times that a room's members were told that a critical event may be missing.": (
        "Veces que se avisó a los miembros de una sala de que puede faltar un evento crítico."
    ),
    "Rooms that wait for permits, to be repaired from history.": (
        "Salas que esperan permisos para repararse desde el historial."
    ),
    "1 while this node is the active relay.": "1 mientras este nodo es el relé activo.",
    "Times that this node got or lost the relay's lease.": (
        "Veces que este nodo obtuvo o perdió la concesión del relé."
    ),
    "Critical events written to their rooms, or found there.": (
        "Eventos críticos escritos en sus salas, o encontrados allí."
    ),
    "Critical events that were fed again at take-over.": "Eventos críticos repasados al tomar el relevo.",
    "Times that a room's history was begun again.": "Veces que se empezó de nuevo el historial de una sala.",
    "Entries that went to the dead-letter queue.": "Entradas que fueron a la DLQ.",
    "Entries that vanished from the source before they were relayed.": (
        "Entradas que desaparecieron del stream antes de retransmitirse."
    ),
    "Entries that wait in the source; NaN when Redis cannot tell.": (
        "Entradas que esperan en el stream; NaN si Redis no puede decirlo."
    ),
    "Branches that clients asked to resume, by what came of it.": (
        "Sucursales que los clientes pidieron reanudar, por resultado."
    ),
    "Connections that are being given history page by page.": (
        "Conexiones que están recibiendo historial, página a página."
    ),
    "Answers of catch-up over HTTP.": "Respuestas de recuperación por HTTP.",
    "Connections that were checked again, by the answer.": "Conexiones revalidadas, por respuesta.",
    "Announced revocations that were carried out.": "Revocaciones anunciadas que se ejecutaron.",
    "Connections that these closed, with 4001.": "Conexiones que estas cerraron, con 4001.",
    "From the time in a revocation's key until the last connection of this node is closed.": (
        "Desde la hora que dice la clave de una revocación hasta cerrar la última conexión de este nodo."
    ),
    "Revocations that were announced and stand in no key: nobody was closed.": (
        "Revocaciones anunciadas que no están en ninguna clave: no se cerró a nadie."
    ),
    "Connections that got other sectors because a change was announced.": (
        "Conexiones que cambiaron de sectores porque se anunció un cambio."
    ),
    "Times that all connections were checked, since announcements may have been missed.": (
        "Veces que se comprobaron todas las conexiones por si se había perdido algún anuncio."
    ),
    "Announcements that were heard.": "Anuncios oídos.",
    "Cuts of the connection on which announcements are heard.": "Cortes de la conexión por la que llegan los anuncios.",
    "Places over all nodes that were held for another lease.": "Plazas de todos los nodos que se renovaron.",
    "Places of dead nodes that were freed because somebody needed them.": (
        "Plazas de nodos muertos que se liberaron porque alguien las necesitaba."
    ),
    "Writes of places and penalties that Redis did not take; they are tried again.": (
        "Escrituras de plazas y sanciones que Redis no aceptó; se reintentan."
    ),
    "Users and table sessions that are refused for a minute.": (
        "Usuarios y sesiones de mesa rechazados durante un minuto."
    ),
    "Connections that were told when to come back.": "Conexiones a las que se dijo cuándo volver.",
    "Handshakes that wait for their turn.": "Handshakes que esperan su turno.",
    "Connections that the core holds.": "Conexiones que tiene el núcleo.",
    "Rooms that have a member on this node.": "Salas con algún miembro en este nodo.",
    "Events accepted and not yet passed to all their recipients.": (
        "Eventos aceptados que aún no se han pasado a todos sus destinatarios."
    ),
    "Payload bytes of those events.": "Bytes de contenido de esos eventos.",
    "Events offered to the core and accepted.": "Eventos ofrecidos al núcleo y aceptados.",
    "Events that the core refused because no permit was free.": (
        "Eventos que el núcleo rechazó porque no quedaba permiso."
    ),
    "Native sockets that are held, those that are closing among them.": (
        "Sockets nativos en posesión, contando los que se están cerrando."
    ),
    "Native sockets closed with 1013, because their client read too slowly.": (
        "Sockets nativos cerrados con 1013 porque su cliente leía demasiado despacio."
    ),
    "WebSocket frames that native sockets received.": "Tramas WebSocket recibidas por sockets nativos.",
    "System calls by which native sockets were written to.": (
        "Llamadas al sistema con las que se escribió en sockets nativos."
    ),
    "Bytes that these sent.": "Bytes que estas enviaron.",
    "The longest that a reactor let its mailbox wait since the last scrape.": (
        "Lo más que un reactor hizo esperar a su buzón desde la última lectura."
    ),
    "Connections closed with 1013, because they were too slow to be kept.": (
        "Conexiones cerradas con 1013 por ser demasiado lentas."
    ),
    "By how much the event loop woke too late, twice a second.": (
        "Cuánto tarde despertó el bucle de eventos, dos veces por segundo."
    ),
    "How much may be in flight; 0 is unlimited.": "Cuánto puede haber en curso; 0 es sin límite.",
    "Memory that Redis uses; of a cluster, its masters together.": (
        "Memoria que usa Redis; en un clúster, la de sus maestros sumada."
    ),
    "The most that it may use; 0 where nothing limits it.": "Lo más que puede usar; 0 si nada lo limita.",
    "Keys that Redis threw away to make room.": "Claves que Redis tiró para hacer sitio.",
    "Commands that came into Redis' slow log.": "Órdenes que entraron en el registro de lentas de Redis.",
    "The slowest of those since the last reading.": "La más lenta de ellas desde la última lectura.",
    "Entries of the stream of critical events.": "Entradas del stream de eventos críticos.",
    "Those of them that a relay was given and has not acknowledged.": (
        "Las que se dieron a un relé y este no ha confirmado."
    ),
    "Those of them that no relay was given yet.": "Las que aún no se han dado a ningún relé.",
    "Entries of the dead-letter queue.": "Cartas de la DLQ.",
    "Readings of these numbers that Redis did not answer.": "Lecturas de estas cifras a las que Redis no respondió.",
    "Bytes that wait in all outboxes.": "Bytes que esperan en todas las bandejas de salida.",
    "From an event's acceptance until it is written, or in the outbox of whoever cannot take it at once.": (
        "Desde que se acepta un evento hasta que está escrito, o en la bandeja de quien no puede recibirlo en el acto."
    ),
    "The same from its beginning: by its stream id, or from when this node read it.": (
        "Lo mismo desde su origen: según su id del stream, o desde que este nodo lo leyó."
    ),
    "Recipients of an event on this node.": "Destinatarios de un evento en este nodo.",
    "Connections of a tenant; the busiest have a series each, all others share one.": (
        "Conexiones de un tenant; los más activos tienen una serie cada uno, los demás comparten una."
    ),
    "Events of a tenant that were admitted, or refused for want of a permit.": (
        "Eventos de un tenant admitidos, o rechazados por falta de permiso."
    ),
    "Events of a tenant that were dropped by its rate, or for want of a permit.": (
        "Eventos de un tenant descartados por su tasa, o por falta de permiso."
    ),
}
