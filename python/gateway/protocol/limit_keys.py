"""Names in Redis of the limits that hold over all nodes.

Those of a tenant share its hash tag, so that one script may look at a user's places and the tenant's together.
"""

from __future__ import annotations


def presence_key(tenant: int, key: str) -> str:
    """Sorted set: the places of one user or table session (`user:12`, `session:77`) by when each lapses."""
    return f"{{tenant:{tenant}}}:presence:{key}"


def tenant_presence_key(tenant: int) -> str:
    """Sorted set: the places of everybody of a tenant."""
    # No user or session is called so: their keys have a colon in them.
    return f"{{tenant:{tenant}}}:presence:all"


def abuse_key(tenant: int, key: str) -> str:
    """String with a time to live: while it is there, this user or table session is refused."""
    return f"{{tenant:{tenant}}}:rate:abuse:{key}"


def beat_key(run: str) -> str:
    """String with a time to live: a number that changes every second while this run of a node lives."""
    return f"{{gateway}}:node:{run}"
