"""The restaurants are made to show mixing: everything that can have the same number in two tenants has it."""

from __future__ import annotations

from collections import Counter

from gateway.demo.world import TENANT_NAMES, Post, build_world, diner

WORLD = build_world()


def test_all_tenants_use_the_same_numbers_for_branches_sectors_and_tables() -> None:
    per_tenant = {
        tenant: [
            (branch.room.branch, branch.sectors, [(table.number, table.sector) for table in branch.tables])
            for branch in WORLD.branches
            if branch.room.tenant == tenant
        ]
        for tenant in range(1, len(TENANT_NAMES) + 1)
    }
    assert per_tenant[1] == per_tenant[2] == per_tenant[3]


def test_inside_a_tenant_sectors_tables_and_users_are_unique() -> None:
    tables = [(table.room.tenant, table.number) for branch in WORLD.branches for table in branch.tables]
    sectors = [(branch.room.tenant, sector) for branch in WORLD.branches for sector in branch.sectors]
    users = [(persona.tenant, persona.user) for persona in WORLD.staff]
    for things in (tables, sectors, users):
        assert max(Counter(things).values()) == 1


def test_every_staff_endpoint_and_every_branch_has_somebody() -> None:
    for branch in WORLD.branches:
        posts = {
            persona.post
            for persona in WORLD.staff
            if persona.tenant == branch.room.tenant and branch.room.branch in persona.branches
        }
        assert posts == {Post.WAITER, Post.KITCHEN, Post.ADMIN}


def test_every_sector_has_a_waiter() -> None:
    for branch in WORLD.branches:
        for sector in branch.sectors:
            assert any(p.tenant == branch.room.tenant and sector in p.sectors for p in WORLD.staff)


def test_a_diner_is_bound_to_table_and_session() -> None:
    branch = WORLD.branches[0]
    guest = diner(branch, branch.tables[1], 1001, 2)
    assert (guest.post, guest.tenant, guest.branches) == (Post.DINER, 1, (1,))
    assert (guest.session, guest.table, guest.roles) == (1001, branch.tables[1].number, ())
