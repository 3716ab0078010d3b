"""Servers of every kind that the contracts of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cluster import ValkeyCluster, run_cluster
from tests.support.kinds import KINDS, Place, open_place
from tests.support.sentinel import WatchedMaster, run_sentinel
from tests.support.valkey import ValkeyServer


@pytest.fixture(scope="session")
def watched() -> Iterator[WatchedMaster]:
    """A master, a replica and a Sentinel, for tests that leave the master alone."""
    with run_sentinel() as watched:
        yield watched


@pytest.fixture(scope="session")
def cluster() -> Iterator[ValkeyCluster]:
    """Three masters, for tests that leave them and their slots alone."""
    with run_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session", params=KINDS)
def place(
    request: pytest.FixtureRequest, valkey: ValkeyServer, watched: WatchedMaster, cluster: ValkeyCluster
) -> Iterator[Place]:
    """Each kind in turn."""
    with open_place(request.param, valkey, watched, cluster) as place:
        yield place
