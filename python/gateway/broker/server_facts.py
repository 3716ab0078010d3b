"""What a data server says about itself, for `gateway doctor`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from redis.asyncio import RedisCluster

from gateway.broker.redis_commands import RedisCommands


class ServerFacts(NamedTuple):
    """One data server: the one that is spoken to, or a master of a cluster. What it does not say is left at zero.

    Attributes:
        where: its address; for a single server the URL, redacted.
        software: `Redis` or `Valkey`.
        version: as it says, `9.1.0`.
        policy: `maxmemory-policy`.
        max_memory: bytes; 0 is unlimited.
        used_memory: bytes.
        append_only: whether each write goes to a log on disk.
        write_faults: names of what it could not write to disk the last time it tried.
        role: `master` or `slave`.
        replicas: how many are in step or catching up.
        clustered: whether it is a node of a cluster.
        ahead: seconds by which its clock is ahead of this machine's.
        doubt: how far off that may be: half the time that asking took.
    """

    where: str
    software: str
    version: str
    policy: str
    max_memory: int
    used_memory: int
    append_only: bool
    write_faults: tuple[str, ...]
    role: str
    replicas: int
    clustered: bool
    ahead: float
    doubt: float


async def server_facts(commands: RedisCommands, clock: Callable[[], float] = time.time) -> list[ServerFacts]:
    """Ask the server, or every master of a cluster.

    Args:
        commands: to it.
        clock: this machine's, in Unix seconds.

    Raises:
        BrokerError: it is away, or does not permit INFO or TIME.
    """
    async with commands.asking() as client:
        if not commands.clustered:
            return [await _ask(client, commands.where, {}, clock)]
        nodes = cast("RedisCluster", client).get_primaries()
        return [await _ask(client, str(node.name), {"target_nodes": node}, clock) for node in nodes]


async def _ask(client: Any, where: str, target: Mapping[str, Any], clock: Callable[[], float]) -> ServerFacts:
    info: dict[str, Any] = {}
    for section in ("server", "memory", "persistence", "replication", "cluster"):
        info |= await client.info(section, **target)
    # After INFO, so that connecting and logging in are not taken for a slow answer.
    before = clock()
    seconds, microseconds = await client.execute_command("TIME", **target)
    after = clock()
    return ServerFacts(
        where=where,
        software="Valkey" if "valkey_version" in info else "Redis",
        version=str(info.get("valkey_version") or info.get("redis_version") or ""),
        policy=str(info.get("maxmemory_policy", "")),
        max_memory=int(info.get("maxmemory", 0)),
        used_memory=int(info.get("used_memory", 0)),
        append_only=bool(int(info.get("aof_enabled", 0))),
        write_faults=tuple(
            name
            for name in ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")
            if info.get(name, "ok") != "ok"
        ),
        role=str(info.get("role", "")),
        replicas=int(info.get("connected_slaves", 0)),
        clustered=bool(int(info.get("cluster_enabled", 0))),
        ahead=int(seconds) + int(microseconds) / 1e6 - (before + after) / 2,
        doubt=abs(after - before) / 2,
    )
