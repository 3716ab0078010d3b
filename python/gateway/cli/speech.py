"""How the command line speaks: results on standard output, everything else on standard error."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any


def note(text: str) -> None:
    """Tell the user something that is not the result. It goes out at once."""
    print(f"gateway: {text}", file=sys.stderr, flush=True)  # noqa: T201 - this is where the command line speaks


def result(text: str) -> None:
    """Print one line of the result. It goes out at once, so that a pipe's reader has it when it happens.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    print(text, flush=True)  # noqa: T201


def help_of(command: Callable[..., Any]) -> str:
    """A command's help text: its docstring without what is for programmers, one line a paragraph.

    The terminal breaks lines where it ends; breaks of the source would stand in the middle of its lines.
    """
    text = inspect.cleandoc(command.__doc__ or "").partition("\nRaises:")[0]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def examples(*commands: str) -> str:
    """The end of a help text. Empty lines between them survive every way of wrapping text."""
    return "\n\n".join(["Examples:" if len(commands) > 1 else "Example:", *(f"  {command}" for command in commands)])
