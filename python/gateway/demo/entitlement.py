"""Who must receive what, worked out a second time.

The gateway's answer comes from its own code: membership, routing, index. This one comes from the words of the
product and the routing table's data alone, for every single person, so that the two can be held against each other.
It calls none of the gateway's routing on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.auth.identity import Role
from gateway.demo.world import Persona, Post
from gateway.protocol.audiences import AudienceKind, Channel
from gateway.protocol.routing import Rule
from gateway.types import Room


@dataclass(frozen=True, slots=True)
class Publication:
    """One event on one channel, as a back end publishes it.

    Attributes:
        number: unique in this demo, and growing within a room in the order of publication.
        channel: the Redis channel.
        type: the event's type.
        room: the tenant and the branch in the event.
        sector: the sector in the event.
        session: the table session in the event.
        stray: published by mistake, on purpose: nobody may receive it.
    """

    number: int
    channel: Channel
    type: str
    room: Room
    sector: int | None = None
    session: int | None = None
    stray: bool = False


def entitled(persona: Persona, publication: Publication, rules: Mapping[str, Rule]) -> bool:
    """Whether a person who is connected must receive a publication. Pure."""
    rule = rules.get(publication.type)
    there = persona.tenant == publication.room.tenant and publication.room.branch in persona.branches
    if rule is None or not there:
        return False
    kind, number = publication.channel
    match kind:
        case AudienceKind.ADMIN:
            return rule.admin and number == publication.room.branch and _administers(persona)
        case AudienceKind.KITCHEN:
            return rule.kitchen and number == publication.room.branch and persona.post is Post.KITCHEN
        case AudienceKind.WAITERS:
            return number == publication.room.branch and _waits(persona, rule, publication.sector)
        case AudienceKind.SECTOR:
            return (
                bool(rule.waiters)
                and publication.sector in (None, number)
                and persona.post is Post.WAITER
                and number in persona.sectors
            )
        case AudienceKind.SESSION:
            return (
                rule.session
                and number == publication.session
                and persona.post is Post.DINER
                and persona.session == number
            )


def _administers(persona: Persona) -> bool:
    """Admin's endpoint, or a manager's or admin's role on any staff endpoint."""
    return persona.post is Post.ADMIN or bool({Role.MANAGER, Role.ADMIN} & set(persona.roles))


def _waits(persona: Persona, rule: Rule, sector: int | None) -> bool:
    """The branch's waiters, narrowed to a sector where the rule says so and the event names one."""
    if persona.post is not Post.WAITER or not rule.waiters:
        return False
    narrowed = rule.waiters == "sector" and sector is not None
    return sector in persona.sectors if narrowed else True
