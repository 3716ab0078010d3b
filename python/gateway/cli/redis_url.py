"""Which Redis a command speaks to."""

from __future__ import annotations

from gateway.broker.runtime_file import find_embedded_url
from gateway.settings import Settings


def find_redis_url(settings: Settings) -> str:
    """The URL of the settings, where the option has been put already; otherwise the running embedded server's.

    Raises:
        EmbeddedServerError: there is no URL, and none or several embedded servers are running.
    """
    return settings.redis_url or find_embedded_url()
