"""Everybody's own token is one that the gateway accepts for just that person."""

from __future__ import annotations

import pytest

from gateway.auth.jwt import JwtVerifier
from gateway.auth.table_token import TableTokenVerifier
from gateway.demo.errors import DemoError
from gateway.demo.tokens import TokenOffice
from gateway.demo.world import Persona, build_world, diner
from gateway.settings import Settings
from tests.support.clock import FakeClock

WORLD = build_world()
DINER = diner(WORLD.branches[0], WORLD.branches[0].tables[0], 1001, 1)


@pytest.mark.parametrize("persona", WORLD.staff, ids=lambda persona: persona.name)
def test_staff_get_what_they_are(persona: Persona) -> None:
    settings, clock = Settings(), FakeClock()
    token = TokenOffice(settings, clock).token(persona)
    identity = JwtVerifier(settings.jwt_keys, settings.token_max_age, clock).verify(token)
    assert (identity.tenant, identity.subject, identity.branches) == (persona.tenant, persona.user, persona.branches)
    assert identity.roles == frozenset(persona.roles)
    # Stated even where it is none, so that nobody is looked up in Redis.
    assert identity.sectors == persona.sectors


def test_diners_get_a_table_token() -> None:
    settings, clock = Settings(), FakeClock()
    token = TokenOffice(settings, clock).token(DINER)
    identity = TableTokenVerifier(settings.table_token_keys, settings.token_max_age, clock).verify(token)
    assert (identity.tenant, identity.branches, identity.session) == (1, (1,), 1001)
    assert identity.table == DINER.table


def test_a_short_longest_life_is_kept() -> None:
    settings, clock = Settings(token_max_age=60), FakeClock()
    identity = JwtVerifier(settings.jwt_keys, 60, clock).verify(TokenOffice(settings, clock).token(WORLD.staff[0]))
    assert identity.expires_at - identity.issued_at == 60


def test_after_a_rotation_the_first_key_signs() -> None:
    keys = {"new": "n" * 32, "old": "o" * 32}
    settings, clock = Settings(jwt_secrets=keys), FakeClock()
    token = TokenOffice(settings, clock).token(WORLD.staff[0])
    assert JwtVerifier({"new": "n" * 32}, 86_400, clock).verify(token).tenant == 1


def test_where_issuers_alone_sign_it_is_said_what_to_set() -> None:
    with pytest.raises(DemoError, match="set GATEWAY_JWT_SECRET too"):
        TokenOffice(Settings(issuers_file="issuers.toml"), FakeClock())
