"""`gateway doctor` on real servers: healthy, and with one thing wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.cli import ended
from tests.support.cluster import run_cluster
from tests.support.patients import PRODUCTION
from tests.support.sentinel import run_sentinel
from tests.support.valkey import ValkeyServer, run_valkey

LIVE = {name: value for name, value in PRODUCTION.items() if name != "GATEWAY_REDIS_URL"}


async def examined(url: str, *arguments: str, **settings: str) -> tuple[int, list[dict[str, Any]]]:
    status, out, err = await ended("doctor", "--json", *arguments, GATEWAY_REDIS_URL=url, **settings)
    assert err.startswith("gateway: problems: ")
    return status, [json.loads(line) for line in out.splitlines()]


def wrong(findings: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(finding["subject"], finding["level"]) for finding in findings if finding["level"] != "ok"}


async def test_a_watched_master_that_logs_its_writes_is_ready_for_production() -> None:
    with run_sentinel() as watched:
        with watched.first.admin() as admin:
            admin.config_set("appendonly", "yes")
        status, findings = await examined(watched.url, "--strict", **LIVE)
    assert wrong(findings) == set()
    assert status == 0


async def test_a_cluster_is_examined_at_every_master() -> None:
    with run_cluster() as cluster:
        with cluster.masters[1].admin() as admin:
            admin.config_set("maxmemory-policy", "allkeys-lru")
        status, findings = await examined(cluster.url)
    assert status == 1
    assert ("Redis memory", "problem") in wrong(findings)
    assert sum(finding["subject"] == "Redis memory" for finding in findings) == 3
    assert sum(finding["subject"] == "Redis replicas" for finding in findings) == 3


@pytest.mark.parametrize(
    ("config", "subject", "level"),
    [
        ({"maxmemory-policy": "allkeys-lru"}, "Redis memory", "problem"),
        ({"maxmemory": "1mb"}, "Redis memory", "problem"),
        ({}, "Redis persistence", "warning"),
        ({"replicaof": "127.0.0.1 1"}, "Redis replicas", "problem"),
    ],
    ids=["policy", "memory", "persistence", "replica"],
)
async def test_what_is_wrong_with_a_server_is_found(config: dict[str, str], subject: str, level: str) -> None:
    with run_valkey(config) as server:
        _, findings = await examined(server.url, **LIVE)
    assert (subject, level) in wrong(findings)


async def test_a_user_that_may_too_little_fails(valkey: ValkeyServer) -> None:
    with valkey.admin() as admin:
        admin.execute_command("ACL", "SETUSER", "doctored", "on", ">password", "~*", "&*", "+@all", "-spublish")
    status, findings = await examined(f"redis://doctored:password@127.0.0.1:{valkey.port}/0")
    assert status == 1
    assert wrong(findings) >= {("Redis permissions", "problem")}


async def test_a_user_that_may_not_even_ask_is_told_what_else_is_missing(valkey: ValkeyServer) -> None:
    with valkey.admin() as admin:
        admin.execute_command("ACL", "SETUSER", "blind", "on", ">password", "~*", "&*", "+@all", "-info", "-xack")
    status, findings = await examined(f"redis://blind:password@127.0.0.1:{valkey.port}/0")
    assert status == 1
    about = {finding["subject"]: finding["found"] for finding in findings if finding["level"] == "problem"}
    assert set(about) == {"Redis", "Redis permissions"}
    assert "does not permit it" in about["Redis"]
    assert "cannot acknowledge critical events" in about["Redis permissions"]


async def test_warnings_fail_only_where_strictness_is_asked_for(valkey: ValkeyServer) -> None:
    status, findings = await examined(valkey.url)
    assert wrong(findings) == {("secrets", "warning"), ("origins", "warning")}
    assert status == 0
    assert (await examined(valkey.url, "--strict"))[0] == 1


async def test_in_a_pipe_each_finding_is_a_line_and_no_password_is_in_it(valkey: ValkeyServer) -> None:
    status, out, err = await ended("doctor", "--redis-url", valkey.url)
    assert status == 0
    assert all(len(line.split("\t")) == 4 for line in out.splitlines())
    assert valkey.password not in out + err
