"""Fixtures that more than one suite uses."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.valkey import ValkeyServer, run_valkey

# CI's machine is shared: a slow example is no fault. Nights may look longer: HYPOTHESIS_PROFILE=long.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """One real Valkey for all tests that do not stop it. Tests keep apart by tenant or channel."""
    with run_valkey() as server:
        yield server
