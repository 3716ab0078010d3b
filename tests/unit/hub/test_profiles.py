from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.auth.identity import Identity, Role
from gateway.errors import ForbiddenError
from gateway.hub.label import Label
from gateway.hub.profiles import ADMIN, DINER, KITCHEN, PROFILES, WAITER, channels_of
from gateway.types import Room

STAFF = Identity(
    kind="staff",
    tenant=1,
    subject="12",
    branches=(5, 6),
    roles=frozenset({Role.WAITER}),
    sectors=None,
    session=None,
    table=None,
    diner=None,
    token_id="j",
    issued_at=0.0,
    expires_at=1.0,
)
GUEST = replace(
    STAFF, kind="diner", subject="77", branches=(5,), roles=frozenset(), session=77, table=42, token_id=None
)


def named(identity: Identity, *roles: Role) -> Identity:
    return replace(identity, roles=frozenset(roles))


@pytest.mark.parametrize(
    ("profile", "admitted"),
    [
        (WAITER, {Role.WAITER, Role.MANAGER, Role.ADMIN}),
        (KITCHEN, {Role.KITCHEN, Role.MANAGER, Role.ADMIN}),
        (ADMIN, {Role.MANAGER, Role.ADMIN}),
    ],
)
def test_each_staff_endpoint_admits_its_roles_and_no_others(profile: object, admitted: set[Role]) -> None:
    for role in Role:
        if role in admitted:
            profile.check_role(named(STAFF, role))  # type: ignore[attr-defined]
        else:
            with pytest.raises(ForbiddenError):
                profile.check_role(named(STAFF, role))  # type: ignore[attr-defined]
    with pytest.raises(ForbiddenError):
        profile.check_role(named(STAFF))  # type: ignore[attr-defined]


def test_a_waiter_is_in_its_branches_and_sectors() -> None:
    memberships = dict(WAITER.memberships(STAFF, (9,)))
    assert memberships == {
        Room(1, 5): ("branch:5:waiters", "sector:9:waiters"),
        Room(1, 6): ("branch:6:waiters", "sector:9:waiters"),
    }


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ADMIN])
def test_management_hears_its_branch_on_every_staff_endpoint(role: Role) -> None:
    boss = replace(named(STAFF, role), branches=(5,))
    assert WAITER.memberships(boss, ())[0].audiences == ("branch:5:waiters", "branch:5:admin")
    assert KITCHEN.memberships(boss, ())[0].audiences == ("branch:5:kitchen", "branch:5:admin")
    assert ADMIN.memberships(boss, ())[0].audiences == ("branch:5:admin",)


def test_sectors_mean_nothing_outside_the_waiters_endpoint() -> None:
    assert KITCHEN.memberships(named(STAFF, Role.KITCHEN), (9,))[0].audiences == ("branch:5:kitchen",)


def test_a_diner_hears_its_session_alone() -> None:
    assert DINER.memberships(GUEST, ()) == ((Room(1, 5), ("session:77",)),)


def test_a_channel_is_named_once_however_many_rooms_need_it() -> None:
    assert channels_of(WAITER.memberships(STAFF, (9,))) == ("branch:5:waiters", "sector:9:waiters", "branch:6:waiters")


@pytest.mark.parametrize("name", PROFILES)
def test_a_label_survives_the_core_and_fits(name: str) -> None:
    label = Label(name, True, 1_900_000_000, 1_899_999_999.5, 7)
    assert Label.decode(label.encode()) == label
    assert len(label.encode()) <= 128
    assert label.profile is PROFILES[name]
