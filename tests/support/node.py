"""Node and the built TypeScript client, where this machine has them."""

from __future__ import annotations

import os

import pytest

from scripts import clients


def require_typescript_client() -> None:
    """Skip the test where the client is not built; where everything must be there (CI), fail."""
    why = clients.missing()
    if why is None and not (clients.PACKAGE / "dist" / "index.js").exists():
        why = "the TypeScript client is not built: run `make clients`"
    if why is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
