"""The bench's programs as `cargo test` builds them: answers are checked here, and nothing is measured."""

from __future__ import annotations

import pytest

from benches.load.binaries import Binaries


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return Binaries.build(release=False)
