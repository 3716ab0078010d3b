"""Node and the built TypeScript client, where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts import clients


def require_typescript_client() -> None:
    """Skip the test where the client is not built; where everything must be there (CI), fail."""
    _require(clients.PACKAGE / "dist" / "index.js")


def require_demo_page() -> None:
    """The same where the client has not been copied to the demo page."""
    _require(clients.DEMO_MODULE)


def _require(built: Path) -> None:
    why = clients.missing()
    if why is None and not built.exists():
        why = "the TypeScript client is not built: run `make clients`"
    if why is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
