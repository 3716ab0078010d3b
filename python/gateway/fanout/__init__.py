"""The fan-out core: who is in which audience, and how an event gets to exactly those.

| file | what |
|---|---|
| `base.py` | the port: what a core and a fan-out promise |
| `choice.py` | which core a node runs on |
| `facade.py` | a whole fan-out: a core, the owners of its connections, the tasks that drive them |
| `pure.py`, `native.py` | the two cores: directory, index, permits |
| `checks.py`, `envelope.py`, `permits.py` | what the pure core is made of |
| `broadcaster.py` | from an admitted event to its recipients' outboxes |
| `asgi.py` | the owner of ASGI connections |
| `native_sockets.py` | the reactors that own native sockets, seen from the event loop |
| `connection.py`, `reader.py`, `inbound.py` | the life of one connection; what clients may say |
| `outbox.py`, `message.py`, `budget.py` | what waits for a slow client, and what is dropped |
| `heartbeat.py`, `check_schedule.py`, `deadlines.py`, `timekeeper.py`, `rate_limit.py` | time |
| `outlet.py` | how Python is told |
"""

from gateway.fanout.choice import Kind, create_fanout
from gateway.fanout.facade import NodeFanout

__all__ = ["Kind", "NodeFanout", "create_fanout"]
