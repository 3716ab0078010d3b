"""The gateway as an application of its own: `uvicorn --app-dir examples standalone:app --port 8001`.

Settings are read from the environment, as for `gateway serve`; without any, it runs on an embedded Valkey.
"""

from __future__ import annotations

from gateway import create_app

app = create_app()
