"""What went wrong with Redis, in the gateway's own words and errors."""

from __future__ import annotations

from redis import exceptions as theirs

from gateway.errors import BrokerError

UNAVAILABLE = (theirs.ConnectionError, theirs.TimeoutError, theirs.InvalidResponse, OSError)
"""Errors that say that the server is away; a server that answers with an error of its own is there. `OSError` includes
the built-in `TimeoutError`."""

LIBRARY_ERRORS = (theirs.RedisError, OSError)
"""Everything that redis-py raises for reasons outside this process."""

_REFUSED = ("NOAUTH", "WRONGPASS", "invalid username-password", "Authentication required")


def broker_error(where: str, error: BaseException) -> BrokerError:
    """The gateway's error for one of the library's.

    Args:
        where: the server's URL, redacted.
        error: what was raised, or what the server answered. Its text never holds the password.
    """
    text = str(error).rstrip(".") or type(error).__name__
    if isinstance(error, theirs.AuthenticationError) or any(mark in text for mark in _REFUSED):
        return BrokerError(f"Redis at {where} refused the user name or the password ({text}); correct the URL")
    if isinstance(error, theirs.NoPermissionError) or text.startswith("NOPERM"):
        return BrokerError(f"Redis at {where} does not permit it ({text}); widen the ACL of the gateway's user")
    if isinstance(error, theirs.ResponseError):
        return BrokerError(f"Redis at {where} answered with an error: {text}")
    if isinstance(error, theirs.TimeoutError | TimeoutError):
        return BrokerError(f"Redis at {where} did not answer in time; is it running and reachable?")
    return BrokerError(f"Redis at {where} cannot be reached: {text}")
