"""`gateway token`: what it prints, its verifiers accept; what it is told wrong, it refuses with 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.auth.identity import Role
from gateway.auth.jwt import JwtVerifier
from gateway.auth.table_token import TableTokenVerifier
from gateway.settings import DEVELOPMENT_SECRET
from gateway.types import SystemClock
from tests.unit.cli.conftest import Run

CLOCK = SystemClock()
STAFF = ("token", "staff", "--tenant", "1", "--user", "12", "--branch", "5", "--role", "WAITER")
TABLE = ("token", "table", "--tenant", "1", "--branch", "5", "--table", "42", "--session", "77")


def test_a_staff_token_says_what_was_asked_for(run: Run) -> None:
    ended = run(*STAFF, "--branch", "6", "--role", "manager", "--sector", "9", "--sector", "9", "--expires", "60")
    assert ended.status == 0
    identity = JwtVerifier({None: DEVELOPMENT_SECRET}, 86_400, CLOCK).verify(ended.out.removesuffix("\n"))
    assert (identity.tenant, identity.subject, identity.branches) == (1, "12", (5, 6))
    assert identity.roles == {Role.WAITER, Role.MANAGER}
    assert identity.sectors == (9,)
    assert identity.expires_at - identity.issued_at == 60


def test_without_sectors_the_token_names_none_so_that_they_are_looked_up(run: Run) -> None:
    identity = JwtVerifier({None: DEVELOPMENT_SECRET}, 86_400, CLOCK).verify(run(*STAFF).out.strip())
    assert identity.sectors is None
    assert identity.expires_at - identity.issued_at == 3600


def test_a_table_token_says_what_was_asked_for(run: Run) -> None:
    ended = run(*TABLE)
    assert ended.status == 0
    identity = TableTokenVerifier({None: DEVELOPMENT_SECRET}, 86_400, CLOCK).verify(ended.out.removesuffix("\n"))
    assert (identity.tenant, identity.branches, identity.table, identity.session) == (1, (5,), 42, 77)
    assert identity.expires_at - identity.issued_at == 10_800


@pytest.mark.parametrize("command", [STAFF, TABLE])
def test_the_development_secret_is_warned_about_beside_the_token(run: Run, command: tuple[str, ...]) -> None:
    ended = run(*command)
    assert ended.out.count("\n") == 1
    assert "development secret" in ended.err


def test_the_first_of_several_secrets_signs_and_is_named(run: Run) -> None:
    first, second = "1" * 32, "2" * 32
    secrets = f"a:{first},b:{second}"
    staff = run(*STAFF, GATEWAY_JWT_SECRETS=secrets, GATEWAY_TABLE_TOKEN_SECRETS=secrets)
    table = run(*TABLE)
    assert staff.err == table.err == ""
    assert JwtVerifier({"a": first}, 86_400, CLOCK).verify(staff.out.strip()).tenant == 1
    assert TableTokenVerifier({"a": first}, 86_400, CLOCK).verify(table.out.strip()).tenant == 1


def test_a_secret_may_come_from_a_file(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("f" * 32 + "\n")
    ended = run(*STAFF, GATEWAY_JWT_SECRET_FILE=str(secret))
    assert JwtVerifier({None: "f" * 32}, 86_400, CLOCK).verify(ended.out.strip()).subject == "12"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("staff",), "--tenant"),
        ((*STAFF[1:3], "0", *STAFF[4:]), "greater than or equal to 1"),
        ((*STAFF[1:3], str(2**53), *STAFF[4:]), "less than or equal to"),
        ((*STAFF[1:3], "one", *STAFF[4:]), "--tenant"),
        ((*STAFF[1:], "--branch", "-1"), "--branch"),
        ((*STAFF[1:5], "a/b", *STAFF[6:]), "1 to 64"),
        ((*STAFF[1:5], "a" * 65, *STAFF[6:]), "1 to 64"),
        ((*STAFF[1:5], "", *STAFF[6:]), "1 to 64"),
        ((*STAFF[1:5], "a\n", *STAFF[6:]), "1 to 64"),
        ((*STAFF[1:], "--role", "COOK"), "COOK"),
        ((*STAFF[1:], "--sector", "0"), "--sector"),
        ((*STAFF[1:], "--expires", "0"), "--expires"),
        ((*STAFF[1:], "--expires", "86401"), "GATEWAY_TOKEN_MAX_AGE"),
        ((*TABLE[1:], "--expires", "86401"), "GATEWAY_TOKEN_MAX_AGE"),
        (TABLE[1:-2], "--session"),
        ((*TABLE[1:-1], "0"), "--session"),
    ],
)
def test_wrong_arguments_are_refused_with_a_reason(run: Run, arguments: tuple[str, ...], says: str) -> None:
    ended = run("token", *arguments)
    assert ended.status == 2
    assert says in ended.sentence
    assert ended.out == ""


def test_more_branches_than_a_token_holds_are_refused(run: Run) -> None:
    branches = [part for number in range(1, 258) for part in ("--branch", str(number))]
    ended = run(*STAFF, *branches)
    assert ended.status == 2
    assert "at most 256" in ended.sentence


def test_settings_that_are_malformed_end_with_2_and_a_sentence(run: Run) -> None:
    ended = run(*STAFF, GATEWAY_TOKEN_MAX_AGE="soon")
    assert ended.status == 2
    assert ended.out == ""
    assert ended.err.startswith("gateway: GATEWAY_TOKEN_MAX_AGE")


def test_production_without_secrets_gives_no_token(run: Run) -> None:
    ended = run(*STAFF, GATEWAY_ENVIRONMENT="production")
    assert (ended.status, ended.out) == (2, "")
    assert "GATEWAY_JWT_SECRET is missing" in ended.err
