"""A real Valkey master with a replica and a Sentinel, for tests of failovers."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from gateway.broker.server_process import find_binary, free_port
from tests.support.cluster import eventually
from tests.support.valkey import ValkeyServer

SERVICE = "main"

# Asks the kernel to kill this process when the test run dies, and becomes the Sentinel (prctl(2), PR_SET_PDEATHSIG).
_TRAMPOLINE = """
import ctypes, os, sys
ctypes.CDLL(None, use_errno=True).prctl(1, 9, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class WatchedMaster:
    """A master, its replica, and a Sentinel that fails over on its own after a second of silence.

    Data servers and Sentinel have different passwords.
    """

    def __init__(self, directory: Path) -> None:
        password = secrets.token_urlsafe(16)
        common = {"masterauth": password, "repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1"}
        self._directory = directory
        for name in ("a", "b"):
            (directory / name).mkdir()
        self.first = ValkeyServer(directory / "a", common, password=password)
        self.second = ValkeyServer(
            directory / "b", {**common, "replicaof": f"127.0.0.1 {self.first.port}"}, password=password
        )
        self._password = password
        self.sentinel_port = free_port()
        self._sentinel_password = secrets.token_urlsafe(16)
        self._sentinel: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Names a Sentinel that is not there before the one that is."""
        return (
            f"redis+sentinel://:{self._password}@127.0.0.1:1,127.0.0.1:{self.sentinel_port}/{SERVICE}/0"
            f"?sentinel_password={self._sentinel_password}"
        )

    def url_by_tls(self, port: int, authority: str) -> str:
        """The same, with a proxy in front of the Sentinel."""
        return (
            f"rediss+sentinel://:{self._password}@127.0.0.1:{port}/{SERVICE}/0"
            f"?sentinel_password={self._sentinel_password}&ssl_ca_certs={authority}"
        )

    @property
    def url_without_sentinel_password(self) -> str:
        return self.url.partition("?")[0]

    @property
    def url_of_another_service(self) -> str:
        return self.url.replace(f"/{SERVICE}/", "/another/")

    def start(self) -> None:
        self.first.start()
        self.second.start()
        self._start_sentinel()
        with self.second.admin() as admin:
            eventually("the replica is in step", lambda: admin.info("replication")["master_link_status"] == "up")
        with self.admin() as admin:
            eventually("the Sentinel has found the replica", lambda: len(admin.sentinel_slaves(SERVICE)) == 1)

    def stop(self) -> None:
        if self._sentinel is not None:
            self._sentinel.kill()
            self._sentinel.wait()
        self.second.stop()
        self.first.stop()

    @property
    def master(self) -> ValkeyServer:
        """Whom the Sentinel names."""
        with self.admin() as admin:
            _, port = admin.sentinel_get_master_addr_by_name(SERVICE)
        return self.first if port == self.first.port else self.second

    def failover(self, *, coordinated: bool) -> None:
        """Make the replica the master, while the old one goes on.

        Coordinated, it has everything, and the old one is its replica at once. Otherwise, as before Valkey 9, the old
        one goes on as if nothing had happened until the Sentinel makes it a replica some ten seconds later.
        """
        old = self.master
        with self.admin() as admin:
            admin.execute_command("SENTINEL FAILOVER", SERVICE, *(["COORDINATED"] if coordinated else []))
        self.await_failover(old)

    def await_failover(self, old: ValkeyServer) -> None:
        """Return once the Sentinel names another master, which takes writes."""
        eventually("there is another master", lambda: self.master is not old)
        with self.master.admin() as admin:
            eventually("it takes writes", lambda: admin.info("replication")["role"] == "master")

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """A client of the Sentinel."""
        client = Redis(
            port=self.sentinel_port, password=self._sentinel_password, decode_responses=True, socket_timeout=20
        )
        try:
            yield client
        finally:
            client.close()

    def _start_sentinel(self) -> None:
        # A Sentinel keeps what it learns in this file, and does not start without one.
        config = self._directory / "sentinel.conf"
        config.write_text(
            f"port {self.sentinel_port}\n"
            "bind 127.0.0.1\n"
            f"dir {self._directory}\n"
            "loglevel warning\n"
            f"requirepass {self._sentinel_password}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.first.port} 1\n"
            f"sentinel auth-pass {SERVICE} {self._password}\n"
            f"sentinel down-after-milliseconds {SERVICE} 1000\n"
            f"sentinel failover-timeout {SERVICE} 4000\n"
        )
        self._sentinel = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(find_binary()), str(config), "--sentinel"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with self.admin() as admin:
            eventually("the Sentinel answers", lambda: _answers(admin))


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except OSError:
        return False
    except Exception as error:  # noqa: BLE001 - redis-py's own class of the same name is no OSError
        return "Connection" not in type(error).__name__


@contextmanager
def run_sentinel() -> Iterator[WatchedMaster]:
    """All three for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="sentinel-") as directory:
        watched = WatchedMaster(Path(directory))
        try:
            watched.start()
            yield watched
        finally:
            watched.stop()
