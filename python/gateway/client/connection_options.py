"""What stands in a Redis URL, looked at before it is needed."""

from __future__ import annotations

from typing import Any, Protocol


class _Pool(Protocol):
    """What redis-py's pools have, those for threads and those for asyncio."""

    connection_class: Any
    connection_kwargs: Any


def check_options(pool: _Pool) -> None:
    """Look at every option of a pool's connections; nothing is connected.

    The library does so at the first command only, far from the place where the URL was written.

    Raises:
        ValueError: there is an option that the library does not know, or whose value it cannot use.
    """
    try:
        pool.connection_class(**pool.connection_kwargs)
    except TypeError as error:
        raise ValueError(f"the Redis URL or the options have a part that cannot be used: {error}") from None
