"""The table of commands."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli import (
    config,
    connections,
    delivery,
    demo,
    dlq,
    dlq_emptying,
    doctor,
    emit,
    publish,
    revoke,
    rooms,
    serve,
    tail,
    token,
    top,
)
from gateway.cli.speech import examples, help_of, result


def _show_version(asked: bool) -> None:
    if asked:
        result(version("fanout-gateway"))
        raise typer.Exit


def about(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fanout Gateway: back ends publish events to Redis, and every WebSocket client gets exactly those it may see.

    Results go to standard output, everything else to standard error. Exit status: 0 done, 1 failed, 2 wrong usage or
    settings.
    """


def about_tokens() -> None:
    """Print tokens for trying things out; in earnest the back end issues them."""


def _group(command: Callable[..., None], epilog: str) -> typer.Typer:
    group = typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich"
    )
    group.callback(help=help_of(command), epilog=epilog)(command)
    return group


def _add(group: typer.Typer, command: Callable[..., None], epilog: str) -> None:
    group.command(command.__name__.rstrip("_"), help=help_of(command), epilog=epilog)(command)


application = _group(about, examples("gateway demo", "gateway serve", "gateway token staff --help"))
tokens = _group(about_tokens, examples("gateway token staff --help", "gateway token table --help"))
letters = _group(dlq.about_dlq, examples("gateway dlq list", "gateway dlq show --help", "gateway dlq replay --help"))

_add(application, serve.serve, serve.EXAMPLES)
_add(tokens, token.staff, token.STAFF_EXAMPLES)
_add(tokens, token.table, token.TABLE_EXAMPLES)
application.add_typer(tokens, name="token")
_add(application, publish.publish, publish.EXAMPLES)
_add(application, emit.emit, emit.EXAMPLES)
_add(application, revoke.revoke, revoke.EXAMPLES)
_add(letters, dlq.list_, dlq.LIST_EXAMPLES)
_add(letters, dlq.show, dlq.SHOW_EXAMPLES)
_add(letters, dlq_emptying.replay, dlq_emptying.REPLAY_EXAMPLES)
_add(letters, dlq_emptying.discard, dlq_emptying.DISCARD_EXAMPLES)
application.add_typer(letters, name="dlq")
_add(application, tail.tail, tail.EXAMPLES)
_add(application, top.top, top.EXAMPLES)
_add(application, connections.connections, connections.EXAMPLES)
_add(application, rooms.rooms, rooms.EXAMPLES)
_add(application, delivery.delivery, delivery.EXAMPLES)
_add(application, doctor.doctor, doctor.EXAMPLES)
_add(application, config.config, config.EXAMPLES)
_add(application, demo.demo, demo.EXAMPLES)
