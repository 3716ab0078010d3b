"""Every error of the gateway, in one tree. Imports nothing of ours.

`str(error)` is written for the person who reads it: what was wrong, what was expected, what to do. It never
carries a token or a secret.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Anything that the gateway itself raises."""


class SettingsError(GatewayError):
    """A setting is missing, malformed or unsafe; `gateway` exits with status 2."""


class TokenError(GatewayError):
    """A token is malformed, forged, expired, of the wrong kind or too long-lived: close code 4001."""


class ForbiddenError(GatewayError):
    """A valid token does not allow what was asked for: close code 4003."""


class RevokedError(TokenError):
    """A token was valid once and has been revoked: close code 4001."""


class KeysAwayError(GatewayError):
    """The keys of a token's issuer cannot be had, so that nothing is known of the token: close code 1013."""


class LimitError(GatewayError):
    """The user, the table session or the tenant has as many connections as it may have: close code 4029."""


class AbuseError(LimitError):
    """The user or the table session was closed for its message rate a moment ago: close code 4029."""


class TenantBusyError(GatewayError):
    """The tenant connects faster than it may: close code 1013, since its clients are to come back."""


class NodeFullError(GatewayError):
    """The node has as many connections as it may have: HTTP 503."""


class GaveUpError(GatewayError):
    """A client will not come back by itself.

    Attributes:
        code: the last close code; 1006 where the last connection was lost or never came about.
        attempts: how often in a row it has tried to come back.
    """

    def __init__(self, code: int, attempts: int) -> None:
        super().__init__(
            f"the client has given up after {attempts} attempts to come back; the last connection ended with {code}"
            if attempts
            else f"the client does not come back after a connection that ended with {code}"
        )
        self.code = code
        self.attempts = attempts


class DrainingError(GatewayError):
    """The node is about to stop: HTTP 503."""


class JoinQueueError(GatewayError):
    """The node takes up clients as fast as it may, and others wait already: HTTP 503."""


class ResumeError(GatewayError):
    """A `resume` is malformed: close code 1008."""


class PositionUnknownError(GatewayError):
    """What has happened since a position cannot be told any more: HTTP 410."""


class TooManyResumesError(GatewayError):
    """As many clients as this node takes at once are being given history: close code 1013."""


class PublishRateError(GatewayError):
    """Events come by the API faster than they may: HTTP 429.

    Attributes:
        wait: seconds after which there is room again.
    """

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


class BadRequestError(GatewayError):
    """A request's parameters or body are malformed: HTTP 400."""


class RequestTooBigError(GatewayError):
    """A request's body is longer than may be: HTTP 413."""


class NotThereError(GatewayError):
    """What a request names is not there: HTTP 404."""


class NodeUnknownError(GatewayError):
    """No node of that name lives."""


class NodeSilentError(GatewayError):
    """A node lives and did not answer in time."""


class NodesBusyError(GatewayError):
    """This node asks the others as often at a time as it may: HTTP 429."""


class EventRefusedError(GatewayError):
    """An event is not delivered; `reason` is the documented drop reason (`protocol.events.DropReason`)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DeadLetterGoneError(GatewayError):
    """A letter is not in the dead-letter queue, or not any more: HTTP 404."""


class RoutingError(SettingsError):
    """The routing file cannot be read as a routing table."""


class BrokerError(GatewayError):
    """Redis could not be reached, or did not answer in time."""


class BrokerFullError(BrokerError):
    """Redis has no memory left for what was to be written."""


class CircuitOpenError(BrokerError):
    """Redis failed so often lately that it is not asked at the moment."""


class LeaseLostError(GatewayError):
    """Another node is the relay by now; this one stands by."""


class EmbeddedServerError(GatewayError):
    """The embedded server could not be started, or is not there."""


class ConnectionGoneError(GatewayError):
    """The connection has already left."""


class StoppingError(GatewayError, RuntimeError):
    """The gateway is shutting down and takes no more connections: close code 1001."""


class CoreMissingError(GatewayError):
    """The native core was asked for and the extension cannot be imported."""
