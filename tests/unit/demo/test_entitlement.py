"""The demo's own answer to who must receive what: by hand, and against the gateway's answer."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.identity import Identity, Role
from gateway.demo.entitlement import Publication, entitled
from gateway.demo.world import Persona, Post
from gateway.errors import EventRefusedError
from gateway.hub.profiles import PROFILES
from gateway.protocol.audiences import AudienceKind, Channel
from gateway.protocol.events import Event
from gateway.protocol.routing import DEFAULT_RULES, RoutingTable
from gateway.types import Room

WAITER = Persona("w", Post.WAITER, 1, (5,), "w", (Role.WAITER,), (9,))
OTHER_WAITER = Persona("o", Post.WAITER, 1, (5,), "o", (Role.WAITER,), (8,))
FLOOR_MANAGER = Persona("f", Post.WAITER, 1, (5,), "f", (Role.MANAGER,))
COOK = Persona("k", Post.KITCHEN, 1, (5,), "k", (Role.KITCHEN,))
MANAGER = Persona("m", Post.ADMIN, 1, (5,), "m", (Role.MANAGER,))
DINER = Persona("d", Post.DINER, 1, (5,), session=77, table=4)
EVERYBODY = (WAITER, OTHER_WAITER, FLOOR_MANAGER, COOK, MANAGER, DINER)


def _publication(kind: AudienceKind, number: int, name: str, **ids: int) -> Publication:
    return Publication(1, Channel(kind, number), name, Room(1, 5), ids.get("sector"), ids.get("session"))


@pytest.mark.parametrize(
    ("publication", "names"),
    [
        (_publication(AudienceKind.KITCHEN, 5, "ROUND_READY", sector=9), "k"),
        (_publication(AudienceKind.ADMIN, 5, "ROUND_READY", sector=9), "fm"),
        (_publication(AudienceKind.SECTOR, 9, "ROUND_READY", sector=9), "w"),
        (_publication(AudienceKind.SECTOR, 9, "ROUND_READY"), "w"),
        (_publication(AudienceKind.WAITERS, 5, "ROUND_READY", sector=9), "w"),
        (_publication(AudienceKind.WAITERS, 5, "ROUND_READY"), "wof"),
        (_publication(AudienceKind.WAITERS, 5, "ROUND_PENDING", sector=9), "wof"),
        (_publication(AudienceKind.SESSION, 77, "ROUND_READY", session=77), "d"),
        # Not for that audience, or not on that channel:
        (_publication(AudienceKind.KITCHEN, 5, "CART_CLEARED", session=77), ""),
        (_publication(AudienceKind.KITCHEN, 6, "ROUND_READY"), ""),
        (_publication(AudienceKind.SECTOR, 9, "ROUND_READY", sector=8), ""),
        (_publication(AudienceKind.SESSION, 77, "ROUND_READY"), ""),
        (_publication(AudienceKind.ADMIN, 5, "NO_SUCH_TYPE"), ""),
    ],
)
def test_exactly_the_audience_is_entitled(publication: Publication, names: str) -> None:
    assert "".join(person.name for person in EVERYBODY if entitled(person, publication, DEFAULT_RULES)) == names


@pytest.mark.parametrize("person", EVERYBODY, ids=lambda person: person.name)
@pytest.mark.parametrize("kind", AudienceKind)
def test_nobody_is_entitled_to_another_tenants_event(person: Persona, kind: AudienceKind) -> None:
    number = {AudienceKind.SECTOR: 9, AudienceKind.SESSION: 77}.get(kind, 5)
    own = _publication(kind, number, "ROUND_READY", sector=9, session=77)
    foreign = dataclasses.replace(own, room=Room(2, 5))
    assert not entitled(person, foreign, DEFAULT_RULES)


_small = st.integers(1, 3)


@st.composite
def _personas(draw: st.DrawFn) -> Persona:
    post = draw(st.sampled_from(Post))
    tenant, branch = draw(_small), draw(_small)
    if post is Post.DINER:
        return Persona("?", post, tenant, (branch,), session=draw(_small), table=1)
    own = {Post.WAITER: Role.WAITER, Post.KITCHEN: Role.KITCHEN, Post.ADMIN: Role.ADMIN}[post]
    roles = draw(st.sampled_from([own, Role.MANAGER, Role.ADMIN]))
    sectors = tuple(draw(st.sets(_small)))
    return Persona("?", post, tenant, (branch,), "u", (roles,), sectors)


@st.composite
def _publications(draw: st.DrawFn) -> Publication:
    maybe = st.none() | _small
    return Publication(
        1,
        Channel(draw(st.sampled_from(AudienceKind)), draw(_small)),
        draw(st.sampled_from([*DEFAULT_RULES, "NO_SUCH_TYPE"])),
        Room(draw(_small), draw(_small)),
        draw(maybe),
        draw(maybe),
    )


def _gateways_answer(persona: Persona, publication: Publication) -> bool:
    """What the gateway makes of it: the route of the event, and the memberships of the identity."""
    event = Event(publication.type, publication.room, publication.session, publication.sector, b"{}")
    try:
        audiences = RoutingTable().route_channel(event, publication.channel)
    except EventRefusedError:
        return False
    diner = persona.post is Post.DINER
    identity = Identity(
        kind="diner" if diner else "staff",
        tenant=persona.tenant,
        subject=persona.user,
        branches=persona.branches,
        roles=frozenset(persona.roles),
        sectors=persona.sectors,
        session=persona.session,
        table=persona.table,
        diner=None,
        token_id=None,
        issued_at=0.0,
        expires_at=1.0,
    )
    memberships = PROFILES[persona.post].memberships(identity, persona.sectors)
    return any(
        membership.room == publication.room and audience in membership.audiences
        for membership in memberships
        for audience in audiences
    )


@given(_personas(), _publications())
def test_two_independent_answers_agree(persona: Persona, publication: Publication) -> None:
    assert entitled(persona, publication, DEFAULT_RULES) == _gateways_answer(persona, publication)
