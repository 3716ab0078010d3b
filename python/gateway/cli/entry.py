"""The entry: runs a command and turns whatever comes out of it into an exit status and a sentence."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from typer.main import get_command

from gateway.cli.application import application
from gateway.cli.exits import ExitStatus
from gateway.cli.speech import note
from gateway.errors import GatewayError, RoutingError, SettingsError

_OF_SETTINGS = (SettingsError, RoutingError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status. Never raises. For the main thread.

    Args:
        arguments: what stands behind `gateway`; None takes it from the process.
    """
    status = _run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
    return status


def _run(arguments: Sequence[str] | None) -> int:
    try:
        get_command(application)(args=None if arguments is None else list(arguments), prog_name="gateway")
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else ExitStatus.DONE
    except GatewayError as error:
        note(str(error))
        return ExitStatus.WRONG_USAGE if isinstance(error, _OF_SETTINGS) else ExitStatus.FAILED
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # `gateway tail | head -1`: the reader has what it wanted.
        _silence_stdout()
        return ExitStatus.FAILED
    except Exception as error:  # noqa: BLE001 - the last net: a traceback would show a user our code, and tokens
        note(
            f"unexpected fault: {type(error).__name__}: {error}; this is a bug of the gateway. "
            "`python -X dev -m gateway …` shows where it happened"
        )
        if sys.flags.dev_mode:
            traceback.print_exc()
        return ExitStatus.FAILED
    return ExitStatus.DONE


def _silence_stdout() -> None:
    """Keep the interpreter from complaining at its end that nobody reads (Python's documentation of SIGPIPE)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
