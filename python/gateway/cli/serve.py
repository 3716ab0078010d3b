"""`gateway serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import RedisUrl
from gateway.cli.routing import routing_of
from gateway.cli.speech import examples
from gateway.settings import Settings

EXAMPLES = examples(
    "gateway serve",
    "gateway serve --port 9001 --redis-url redis://127.0.0.1:6379/0",
    "gateway serve --host 0.0.0.0 --ssl-certfile chain.pem --ssl-keyfile key.pem",
    "GATEWAY_JWT_SECRET_FILE=/run/secrets/jwt gateway serve --workers 2",
)


def serve(
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="H", show_default="GATEWAY_HOST, else 127.0.0.1", help="Address to listen on."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="PORT",
            min=0,
            max=65_535,
            show_default="GATEWAY_PORT, else 8001",
            help="TCP port to listen on; 0 takes a free one.",
        ),
    ] = None,
    redis_url: RedisUrl = None,
    workers: Annotated[
        int,
        typer.Option("--workers", metavar="N", min=1, max=256, help="Processes that share the port and one Redis."),
    ] = 1,
    *,
    ssl_certfile: Annotated[
        Path | None,
        typer.Option(
            "--ssl-certfile",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="End TLS in this process, with the certificate chain of this PEM file.",
        ),
    ] = None,
    ssl_keyfile: Annotated[
        Path | None,
        typer.Option(
            "--ssl-keyfile",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            show_default="in the file of --ssl-certfile",
            help="PEM file of its private key, without a password.",
        ),
    ] = None,
) -> None:
    """Run the gateway until Ctrl-C or SIGTERM.

    Everything else is set by GATEWAY_… environment variables; options win over them. Without a Redis URL the gateway
    starts a Valkey server of its own, which is a good first run and nothing to keep data in. The log, with the address
    it listens on, goes to standard error.

    Raises:
        BadParameter: a key without a certificate.
        SettingsError: the settings are malformed or unsafe.
        RoutingError: the routing file is no routing table.
        GatewayError: the gateway did not start.
    """
    if ssl_keyfile is not None and ssl_certfile is None:
        raise typer.BadParameter("a key needs its certificate: say --ssl-certfile too", param_hint="--ssl-keyfile")
    settings = Settings.load(host=host, port=port, redis_url=redis_url)
    # Each worker reads it again; here, so that a mistake in it ends one process with a sentence, and not several.
    routing_of(settings)
    # Imported here: the server, the framework and the event loop are of no use to the other commands.
    from gateway.server.serve import Certificate, run_server  # noqa: PLC0415

    certificate = None
    if ssl_certfile is not None:
        certificate = Certificate(str(ssl_certfile), None if ssl_keyfile is None else str(ssl_keyfile))
    run_server(settings, workers, certificate)
