"""Every setting: name, type, bounds, default, and what it is for."""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.errors import SettingsError
from gateway.settings import rules
from gateway.settings.note import PREFIX, Note
from gateway.settings.problems import describe
from gateway.settings.source import read_environment
from gateway.settings.values import checked_redis_url, comma_list, keyed_secrets, named_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECRET = Note(secret=True, expected="a secret of at least 32 bytes")
_SECRETS = Note(secret=True, expected="kid:secret,kid:secret")
_NAMED_KEYS = Note(secret=True, expected="name:key,name:key, each key of at least 32 bytes")


def _help(text: str, **bounds: Any) -> Any:
    return Field(description=text, **bounds)


class Settings(BaseSettings):
    """The gateway's settings, immutable and thread-safe.

    `Settings.load` reads the environment; `Settings(...)` alone looks at nothing but its arguments, which are the
    fields below. Secrets are `SecretStr`: neither `repr` nor any error shows them. Times are in seconds.

    Attributes:
        unknown: a sentence for each `GATEWAY_…` variable that is none of these; the application warns with it.

    Raises:
        SettingsError: settings that do not go together, or are unsafe: see `rules`.
        pydantic.ValidationError: an argument of `Settings(...)` of the wrong type; `load` raises SettingsError for
            this too.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    environment: Annotated[
        Literal["development", "production"],
        _help("`production` refuses to start with missing, weak or development secrets, or without allowed origins."),
    ] = "development"
    host: Annotated[
        str, Note(expected="a host name or an IP address"), _help("Address to listen on.", min_length=1)
    ] = "127.0.0.1"
    port: Annotated[int, _help("TCP port; 0 lets the system choose a free one.", ge=0, le=65_535)] = 8001

    # `repr=False` and `secret`: a Redis URL may hold a password.
    redis_url: Annotated[
        str,
        Note(secret=True, expected="a Redis URL"),
        AfterValidator(checked_redis_url),
        Field(description="Redis ≥ 7 or Valkey by URL; empty starts the embedded server.", repr=False),
    ] = ""

    jwt_secret: Annotated[
        SecretStr | None, _SECRET, _help("Secret of staff tokens without `kid` (HS256).", min_length=1)
    ] = None
    jwt_secrets: Annotated[
        dict[str, SecretStr],
        NoDecode,
        BeforeValidator(keyed_secrets),
        _SECRETS,
        _help("Secrets of staff tokens by `kid`, as `kid:secret,…`; a secret here holds no comma."),
    ] = Field(default_factory=dict)
    table_token_secret: Annotated[
        SecretStr | None, _SECRET, _help("Secret of table tokens without `kid`.", min_length=1)
    ] = None
    table_token_secrets: Annotated[
        dict[str, SecretStr],
        NoDecode,
        BeforeValidator(keyed_secrets),
        _SECRETS,
        _help("Secrets of table tokens by `kid`, as `kid:secret,…`."),
    ] = Field(default_factory=dict)
    token_max_age: Annotated[
        int, Note("s"), _help("Longest life of a token, from `iat` to `exp`; 0 is unlimited.", ge=0)
    ] = 86_400
    token_leeway: Annotated[
        float, Note("s"), _help("By how much an issuer's clock may be ahead of ours; `exp` has no leeway.", ge=0, le=60)
    ] = 5.0
    issuers_file: Annotated[
        str,
        Note(expected="a path"),
        _help("TOML file of further issuers of staff tokens, with their keys; empty is none."),
    ] = ""
    operator_key: Annotated[
        SecretStr | None,
        _SECRET,
        _help(
            "Key for `/ws/health/detailed`, `/ws/metrics` and all of `/api/v1`, sent as `Authorization: Bearer …`.",
            min_length=1,
        ),
    ] = None
    api_read_keys: Annotated[
        dict[str, SecretStr],
        NoDecode,
        BeforeValidator(named_keys),
        _NAMED_KEYS,
        _help("Keys that may look at everything under `/api/v1`, each with a name for the log."),
    ] = Field(default_factory=dict)
    api_publish_keys: Annotated[
        dict[str, SecretStr],
        NoDecode,
        BeforeValidator(named_keys),
        _NAMED_KEYS,
        _help("Keys that may send events by `/api/v1`."),
    ] = Field(default_factory=dict)
    api_operate_keys: Annotated[
        dict[str, SecretStr],
        NoDecode,
        BeforeValidator(named_keys),
        _NAMED_KEYS,
        _help("Keys that may disconnect, revoke, drain, replay and discard by `/api/v1`."),
    ] = Field(default_factory=dict)
    api_event_rate: Annotated[
        float,
        Note("1/s"),
        _help("Events that this node takes by `/api/v1`, a second's worth or 1000 at once; 0 is unlimited.", ge=0),
    ] = 5000.0
    api_event_rate_per_tenant: Annotated[
        float,
        Note("1/s"),
        _help("The same for one tenant; 0 is unlimited.", ge=0),
    ] = 0.0
    allowed_origins: Annotated[
        tuple[str, ...],
        NoDecode,
        BeforeValidator(comma_list),
        Note(expected="origins such as https://app.example.com, separated by commas"),
        _help("Origins of browsers that may connect, separated by commas; empty is any, in development only."),
    ] = ()

    routing_file: Annotated[
        str, Note(expected="a path"), _help("TOML file that extends or replaces the routing table; empty is none.")
    ] = ""
    fanout: Annotated[
        Literal["auto", "native", "pure"],
        _help("Fan-out core; `auto` is `native` where the extension is there, and always in production."),
    ] = "auto"
    sockets: Annotated[
        Literal["native", "asgi"],
        _help(
            "Who owns client sockets after the handshake: the native core, where the server can hand them over, or the"
            " ASGI server. The pure core implies `asgi`."
        ),
    ] = "native"
    pubsub: Annotated[
        Literal["exact", "patterns"],
        _help("Subscribe the channels that are needed by name, or everything by five patterns."),
    ] = "exact"

    broadcast_workers: Annotated[int, _help("Workers that pass events to ASGI connections.", ge=1, le=1000)] = 10
    broadcast_queue: Annotated[
        int, Note("events"), _help("Events that may wait to be passed on; more are dropped.", ge=1, le=1_000_000)
    ] = 5000
    max_connections: Annotated[int, _help("Connections of this node; 0 is what the descriptor limit leaves.", ge=0)] = 0
    max_connections_per_user: Annotated[int, _help("Connections of one user over all nodes; 0 is unlimited.", ge=0)] = 3
    max_connections_per_session: Annotated[
        int, _help("Connections of one table session over all nodes; 0 is unlimited.", ge=0)
    ] = 20
    max_connections_per_tenant: Annotated[
        int, _help("Connections of one tenant over all nodes; 0 is unlimited.", ge=0)
    ] = 0
    staff_reserve: Annotated[
        float, Note("%"), _help("Share of this node's places that only staff may take.", ge=0, le=100)
    ] = 5.0
    join_rate: Annotated[
        float,
        Note("1/s"),
        _help("Handshakes that this node takes up; others wait up to 5 s, staff in front. 0 is unlimited.", ge=0),
    ] = 500.0
    attempt_rate: Annotated[
        float,
        Note("1/s"),
        _help("Handshakes of one client address on this node, ten seconds' worth at once; 0 is unlimited.", ge=0),
    ] = 20.0
    attempt_rate_per_tenant: Annotated[
        float,
        Note("1/s"),
        _help("Handshakes of one tenant on this node, ten seconds' worth at once; 0 is unlimited.", ge=0),
    ] = 0.0
    event_rate_per_tenant: Annotated[
        float,
        Note("1/s"),
        _help("Best-effort events of one tenant on this node, one second's worth at once; 0 is unlimited.", ge=0),
    ] = 0.0
    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        NoDecode,
        BeforeValidator(comma_list),
        Note(expected="networks such as 10.0.0.0/8, separated by commas"),
        _help("Proxies whose `X-Forwarded-For` is believed, as networks separated by commas; empty is none."),
    ] = ()
    message_rate: Annotated[
        int, Note("1/s"), _help("Messages of one client, and the burst it may send; 0 is unlimited.", ge=0)
    ] = 20
    max_message_bytes: Annotated[int, Note("B"), _help("A client's longest message.", ge=1, le=16 * 1024 * 1024)] = (
        65_536
    )
    heartbeat_interval: Annotated[
        float, Note("s"), _help("How often a client is asked, in `welcome`, to send `ping`.", gt=0)
    ] = 30.0
    heartbeat_timeout: Annotated[
        float, Note("s"), _help("Silence after which a connection is closed with 1001.", gt=0)
    ] = 60.0

    jwt_revalidation_interval: Annotated[
        float, Note("s"), _help("How often a connection's JWT is checked again.", gt=0)
    ] = 300.0
    table_token_revalidation_interval: Annotated[
        float, Note("s"), _help("How often a connection's table token is checked again.", gt=0)
    ] = 1800.0
    history_events: Annotated[int, Note("events"), _help("Critical events that a room's history keeps.", ge=2)] = 1000
    history_ttl: Annotated[int, Note("s"), _help("How long a quiet room's history is kept.", ge=1)] = 3600
    head_ttl: Annotated[int, Note("s"), _help("How long a quiet room's last position is kept.", ge=1)] = 604_800
    relay_lease: Annotated[float, Note("s"), _help("How long a relay that fell silent keeps its lease.", gt=0)] = 10.0
    dlq_tries: Annotated[int, _help("Attempts after which a critical event goes to the DLQ.", ge=1)] = 3
    drain_seconds: Annotated[
        float,
        Note("s"),
        _help("How long a stopping gateway takes to send its clients away, and then to pass events on.", ge=0),
    ] = 5.0

    breaker_failures: Annotated[int, _help("Failures in a row after which Redis is not asked for a while.", ge=1)] = 5
    breaker_open: Annotated[
        float,
        Note("s"),
        _help("The longest that it is not asked; a second at first, and twice as long after each failed trial.", gt=0),
    ] = 30.0
    breaker_trials: Annotated[int, _help("Trials that must succeed before all is as before.", ge=1)] = 3
    drop_alert_share: Annotated[
        float, Note("%"), _help("Share of events dropped, in the window, that raises an alert.", gt=0, le=100)
    ] = 5.0
    drop_alert_window: Annotated[float, Note("s"), _help("The window over which that share is taken.", gt=0)] = 60.0
    drop_alert_every: Annotated[float, Note("s"), _help("At most one alert in this time.", ge=0)] = 300.0

    metrics_tenants: Annotated[
        int,
        _help(
            "Tenants that have metrics of their own, the busiest; all others share a series. 0 is none.", ge=0, le=1000
        ),
    ] = 20
    workers_directory: Annotated[
        str,
        Note(expected="a path"),
        _help(
            "Directory of mode 0700 in which workers that share a port find each other, so that `/ws/metrics` of one"
            " shows all; `gateway serve --workers` makes one. Empty is none."
        ),
    ] = ""
    tracing: Annotated[
        Literal["off", "on"],
        _help("Spans of events that bring a `traceparent`, by OpenTelemetry, which `OTEL_…` variables set up."),
    ] = "off"

    _unknown: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Read settings from an environment; an override that is not None wins over it.

        Args:
            environ: variables by name; None is the process' own environment.
            overrides: fields by name, for what came from a command line.

        Raises:
            SettingsError: one line for each thing that is wrong, with the variable's name.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        read = read_environment(cls, os.environ if environ is None else environ, skip=given.keys())
        problems = list(read.problems)
        try:
            settings = cls(**(read.values | given))
        except ValidationError as error:
            problems += describe(cls, error)
        except SettingsError:
            # Rules judge a whole; what could not be read from its file is not "missing".
            if not problems:
                raise
        if problems:
            raise SettingsError("\n".join(problems))
        settings._unknown = read.unknown
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only arguments: the environment is read by `load`, so that a test's `Settings()` is always the same."""
        return (init_settings,)

    @model_validator(mode="after")
    def _apply_rules(self) -> Self:
        if problems := rules.violations(self):
            raise SettingsError("\n".join(problems))
        return self

    @property
    def reactors(self) -> int:
        """How many reactor threads own native sockets; 0 where the ASGI server owns them."""
        if self.sockets == "asgi" or self.fanout == "pure":
            return 0
        return min(self.broadcast_workers, len(os.sched_getaffinity(0)))

    @property
    def unknown(self) -> tuple[str, ...]:
        """A sentence for each `GATEWAY_…` variable that is no setting."""
        return self._unknown

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what is accepted here and should not stay so."""
        return rules.warnings(self)

    @property
    def jwt_keys(self) -> dict[str | None, str]:
        """Secrets of staff tokens by `kid` (None: without); the first is the one to sign with.

        Empty where issuers have been named and no secret: nobody is to sign with the development secret then.
        """
        if self.issuers_file and self.jwt_secret is None and not self.jwt_secrets:
            return {}
        return rules.keys(self.jwt_secret, self.jwt_secrets)

    @property
    def table_token_keys(self) -> dict[str | None, str]:
        """Secrets of table tokens by `kid` (None: without); the first is the one to sign with."""
        return rules.keys(self.table_token_secret, self.table_token_secrets)
