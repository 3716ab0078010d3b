"""What went wrong with Redis, in the gateway's own words and errors."""

from __future__ import annotations

from redis import exceptions as theirs
from redis.asyncio.sentinel import MasterNotFoundError
from redis.sentinel import MasterNotFoundError as BlockingMasterNotFoundError

from gateway.errors import BrokerError, BrokerFullError

DEMOTED = (theirs.ReadOnlyError, theirs.MasterDownError)
"""A server that was the master and is a replica now: the connection is good, and leads to the wrong one."""

UNAVAILABLE = (
    theirs.ConnectionError,
    theirs.TimeoutError,
    theirs.InvalidResponse,
    theirs.ClusterError,
    theirs.RedisClusterException,
    OSError,
    *DEMOTED,
)
"""Errors that say that the server is away; a server that answers with an error of its own is there. `OSError` includes
the built-in `TimeoutError`. A cluster that does not serve a slot and a replica that is asked to write are away, too."""

LIBRARY_ERRORS = (theirs.RedisError, theirs.RedisClusterException, OSError)
"""Everything that redis-py raises for reasons outside this process."""

_REFUSED = ("NOAUTH", "WRONGPASS", "invalid username-password", "Authentication required")


def broker_error(where: str, error: BaseException) -> BrokerError:  # noqa: PLR0911 - a table, a line for each kind
    """The gateway's error for one of the library's.

    Args:
        where: the server's URL, redacted.
        error: what was raised, or what the server answered. Its text never holds the password.
    """
    text = str(error).rstrip(".") or type(error).__name__
    if isinstance(error, MasterNotFoundError | BlockingMasterNotFoundError):
        # Not the library's text, which shows its own objects.
        return BrokerError(
            f"no Sentinel of {where} can be reached and knows a master of that name that is up; a failover may be "
            "under way, or the name may be wrong"
        )
    if isinstance(error, theirs.AuthenticationError) or any(mark in text for mark in _REFUSED):
        return BrokerError(f"Redis at {where} refused the user name or the password ({text}); correct the URL")
    if isinstance(error, theirs.NoPermissionError) or text.startswith("NOPERM"):
        return BrokerError(f"Redis at {where} does not permit it ({text}); widen the ACL of the gateway's user")
    if isinstance(error, theirs.OutOfMemoryError):
        return BrokerFullError(f"Redis at {where} has no memory left ({text}); raise `maxmemory`, or ask again later")
    if isinstance(error, DEMOTED):
        return BrokerError(f"Redis at {where} is a replica by now, and its master is looked for anew ({text})")
    if isinstance(error, theirs.ClusterError | theirs.RedisClusterException):
        return BrokerError(f"the cluster at {where} cannot serve this at the moment: {text}")
    if isinstance(error, theirs.ResponseError):
        return BrokerError(f"Redis at {where} answered with an error: {text}")
    if isinstance(error, theirs.TimeoutError | TimeoutError):
        return BrokerError(f"Redis at {where} did not answer in time; is it running and reachable?")
    return BrokerError(f"Redis at {where} cannot be reached: {text}")
