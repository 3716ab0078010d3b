"""A real Valkey cluster for tests, which may move slots, add replicas and kill masters."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from gateway.broker.server_process import free_port
from tests.support.tls import TlsProxies
from tests.support.valkey import ValkeyServer

START_SECONDS = 30.0

NODE_TIMEOUT_MS = 2_000
"""After which a silent node is failed over; the cluster's other times follow from it."""


def eventually(what: str, condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Poll: a cluster says by gossip alone what it has agreed on."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


class ValkeyCluster:
    """Masters that share the slots evenly. Every node has the same password. By `tls` they name proxies to clients."""

    def __init__(self, directory: Path, masters: int, tls: TlsProxies | None = None) -> None:
        self._directory = directory
        self._password = secrets.token_urlsafe(16)
        self._tls = tls
        self.nodes: list[ValkeyServer] = []
        for _ in range(masters):
            self._add()
        self.masters = list(self.nodes)

    @property
    def url(self) -> str:
        """Names two nodes only: the third is found."""
        hosts = ",".join(f"127.0.0.1:{announced(node)}" for node in self.nodes[:2])
        if self._tls is None:
            return f"redis+cluster://:{self._password}@{hosts}"
        return f"rediss+cluster://:{self._password}@{hosts}?ssl_ca_certs={self._tls.authority.file}"

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        bounds = [REDIS_CLUSTER_HASH_SLOTS * n // len(self.nodes) for n in range(len(self.nodes) + 1)]
        for epoch, (node, (first, after)) in enumerate(zip(self.nodes, pairwise(bounds), strict=True), start=1):
            with node.admin() as admin:
                admin.execute_command("CLUSTER SET-CONFIG-EPOCH", epoch)
                admin.execute_command("CLUSTER ADDSLOTSRANGE", first, after - 1)
        for node in self.nodes[1:]:
            self._meet(node)
        eventually("every node knows all others, and the cluster is up", self._agreed)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def owner(self, key: str) -> ValkeyServer:
        """The master of a key's slot, as the cluster sees it now."""
        slot = key_slot(key.encode())
        for start, end, master, *_ in self._slots(next(node for node in self.nodes if node.running)):
            if start <= slot <= end:
                return next(node for node in self.nodes if master[1] == announced(node))
        raise AssertionError(f"nobody owns slot {slot}")

    def move(self, key: str, target: ValkeyServer) -> None:
        """Move the slot of a key, with everything in it, as a resharding does."""
        slot, source = key_slot(key.encode()), self.owner(key)
        with source.admin() as giving, target.admin() as taking:
            taking.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", node_id(giving))
            giving.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", node_id(taking))
            while keys := giving.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
                giving.execute_command(
                    "MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "AUTH", self._password, "KEYS", *keys
                )
            for admin in (taking, giving):
                admin.execute_command("CLUSTER SETSLOT", slot, "NODE", node_id(taking))
        eventually("the slot has moved", lambda: self.owner(key) is target)

    def add_replica(self, master: ValkeyServer) -> ValkeyServer:
        """A replica that takes over when its master dies; returned once it has everything."""
        replica = self._add()
        replica.start()
        self._meet(replica)
        with replica.admin() as admin, master.admin() as main:
            identity = node_id(main)
            eventually("it has heard of its master", lambda: identity in str(admin.execute_command("CLUSTER NODES")))
            admin.execute_command("CLUSTER REPLICATE", identity)
            eventually("it is in step", lambda: admin.info("replication").get("master_link_status") == "up")
        eventually("all agree", self._agreed)
        return replica

    def _add(self) -> ValkeyServer:
        directory = self._directory / f"node-{len(self.nodes)}"
        directory.mkdir()
        config = {
            "cluster-enabled": "yes",
            "cluster-port": str(free_port()),
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "cluster-announce-ip": "127.0.0.1",
            "masterauth": self._password,
            "repl-diskless-sync-delay": "0",
        }
        node = ValkeyServer(directory, config, password=self._password)
        if self._tls is not None:
            node.config["cluster-announce-port"] = str(self._tls.open(node.port))
        self.nodes.append(node)
        return node

    def _meet(self, node: ValkeyServer) -> None:
        with self.nodes[0].admin() as admin:
            admin.execute_command("CLUSTER MEET", "127.0.0.1", node.port, node.config["cluster-port"])

    def _agreed(self) -> bool:
        views = []
        for node in self.nodes:
            with node.admin() as admin:
                info = admin.execute_command("CLUSTER INFO")
                if info["cluster_state"] != "ok" or int(info["cluster_known_nodes"]) != len(self.nodes):
                    return False
            views.append(sorted((start, end, master[2]) for start, end, master, *_ in self._slots(node)))
        return all(view == views[0] for view in views)

    def _slots(self, node: ValkeyServer) -> list[tuple[int, int, list[object], list[object]]]:
        with node.admin() as admin:
            # The library's own reading of the answer would be of no use here.
            admin.response_callbacks.pop("CLUSTER SLOTS", None)
            return list(admin.execute_command("CLUSTER SLOTS"))


def announced(node: ValkeyServer) -> int:
    """The port that clients are told."""
    return int(node.config.get("cluster-announce-port", node.port))


def node_id(admin: Any) -> str:
    """What a node is called among the others."""
    return str(admin.execute_command("CLUSTER MYID"))


@contextmanager
def run_cluster(masters: int = 3, *, tls: TlsProxies | None = None) -> Iterator[ValkeyCluster]:
    """A cluster for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="cluster-") as directory:
        cluster = ValkeyCluster(Path(directory), masters, tls)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
