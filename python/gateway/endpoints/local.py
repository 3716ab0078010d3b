"""Whether a request comes from this machine, from somebody who sits at it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

# A request that came through a proxy is not from this machine, whatever its peer address says.
FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_local(connection: HTTPConnection) -> bool:
    """Whether a request comes from loopback, with no proxy between, and no stranger's page leads a browser here.

    A page of another site needs no key to send what needs no preflight: its `Origin` tells it. One that lets its own
    name resolve to this machine (DNS rebinding) could read the answers too: the name in `Host` tells it.
    """
    if any(name in connection.headers for name in FORWARDING_HEADERS) or connection.client is None:
        return False
    host = connection.headers.get("host", "")
    origin = connection.headers.get("origin")
    try:
        name = urlsplit(f"//{host}").hostname or ""
        named = name == "localhost" or ipaddress.ip_address(name).is_loopback
        same_origin = origin is None or urlsplit(origin).netloc == host
        return named and same_origin and ipaddress.ip_address(connection.client.host).is_loopback
    except ValueError:
        return False
