"""`run_server`: the settings in, uvicorn out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from ssl import SSLError
from tempfile import TemporaryDirectory
from typing import NamedTuple

import uvicorn

from gateway.broker.embedded import EmbeddedServer
from gateway.errors import GatewayError
from gateway.server.second_signal import second_signal_reaches_workers
from gateway.settings import Settings

APPLICATION = "gateway.app:create_app_from_environment"
"""Named, not imported: each worker process makes its own, and the application stands above the server."""

SHUTDOWN_SECONDS = 5
"""For uvicorn's own part of a shutdown, after the drain: HTTP requests under way."""


class Certificate(NamedTuple):
    """What clients are shown under TLS: paths of PEM files.

    Attributes:
        chain: the certificate and those that vouch for it.
        key: its private key; None if that stands in `chain` too.
    """

    chain: str
    key: str | None = None


class ServerError(GatewayError):
    """The server could not be started."""


def run_server(settings: Settings, workers: int = 1, certificate: Certificate | None = None) -> None:
    """Serve until SIGINT or SIGTERM; returns when everything is shut down. For the main thread of a process.

    With a certificate TLS ends in this process. Its connections stay with the ASGI server then, since the native core
    speaks no TLS: they cost more memory and Python each.

    Raises:
        ServerError: the server did not start; the log says why.
        EmbeddedServerError: the embedded server that the workers were to share did not start.
    """
    with _environment(settings, workers), second_signal_reaches_workers() if workers > 1 else nullcontext():
        try:
            _run(settings, workers, certificate)
        except (OSError, SSLError) as error:
            raise ServerError(f"the gateway did not start: {error}") from error
        except SystemExit as error:  # uvicorn's way to say that it could not bind, or that the application failed
            if error.code:
                raise ServerError(
                    f"the gateway did not start on {settings.host}:{settings.port}; the log above says why"
                ) from None


def _run(settings: Settings, workers: int, certificate: Certificate | None) -> None:
    uvicorn.run(
        APPLICATION,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=workers,
        ssl_certfile=certificate.chain if certificate else None,
        ssl_keyfile=certificate.key if certificate else None,
        http="gateway.server.bounded_http:BoundedHttpProtocol",
        # What is not handed over (TLS, a refusal) is served by uvicorn's own class, with the settings below.
        ws="gateway.server.handoff:HandoffProtocol" if settings.reactors else "websockets-sansio",
        # The connection's own limit; uvicorn answers a longer message with 1009 itself, without holding all of it.
        ws_max_size=settings.max_message_bytes,
        # Compression costs 62 KiB a connection and makes one frame per recipient out of one for all.
        ws_per_message_deflate=False,
        # The gateway's heartbeat is the only one: it counts every message and closes with 1001.
        ws_ping_interval=None,
        # The application sets logging up; uvicorn's own lines carry query strings, which carry tokens.
        log_config=None,
        access_log=False,
        # Who is on loopback decides about the operator's endpoints, and whose attempts are counted is decided by
        # GATEWAY_TRUSTED_PROXIES: no header may change the peer's address.
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


@contextmanager
def _environment(settings: Settings, workers: int) -> Iterator[None]:
    """Put what came from the command line where each worker reads its settings.

    With several workers the embedded server is the parent's: workers that each had their own would not hear each
    other's events. So is the directory in which they find each other.
    """
    os.environ["GATEWAY_HOST"] = settings.host
    os.environ["GATEWAY_PORT"] = str(settings.port)
    with ExitStack() as stack:
        if workers > 1 and not settings.workers_directory:
            # Made with mode 0700. What is in it are the workers' sockets, by which they ask each other for metrics.
            directory = stack.enter_context(TemporaryDirectory(prefix="fanout-", ignore_cleanup_errors=True))
            os.environ["GATEWAY_WORKERS_DIRECTORY"] = directory
            stack.callback(os.environ.pop, "GATEWAY_WORKERS_DIRECTORY", None)
        if settings.redis_url:
            _share(settings.redis_url)
        elif workers > 1:  # otherwise its own process starts the embedded server, and stops it
            _share(stack.enter_context(EmbeddedServer.running()))
        yield


def _share(url: str) -> None:
    # One of the two names only: both together are refused as a contradiction.
    os.environ.pop("GATEWAY_REDIS_URL_FILE", None)
    os.environ["GATEWAY_REDIS_URL"] = url
