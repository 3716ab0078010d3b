"""Where other commands of the same user find a running embedded server: one small file per server.

The file holds the URL with its password, so that directory and file are the user's alone.
"""

from __future__ import annotations

import json
import os
import stat
import warnings
from contextlib import suppress
from pathlib import Path

import platformdirs

from gateway.errors import EmbeddedServerError

_PREFIX = "embedded-"
_ADVICE = "give --redis-url, or set GATEWAY_REDIS_URL"


def runtime_directory() -> Path:
    """The user's runtime directory for the gateway, made if need be, with mode 0700.

    Raises:
        EmbeddedServerError: it cannot be made, or somebody else could read or replace what is in it.
    """
    try:
        with warnings.catch_warnings():
            # platformdirs warns that it takes its second choice where XDG_RUNTIME_DIR is missing; checked below.
            warnings.simplefilter("ignore")
            directory = Path(platformdirs.user_runtime_dir("fanout-gateway", appauthor=False))
        for path in (directory.parent, directory):
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
            _check_owner(path)
        directory.chmod(0o700)
    except OSError as error:
        raise EmbeddedServerError(
            f"the runtime directory for the embedded server cannot be used: {error}; "
            "set XDG_RUNTIME_DIR to a directory of your own with mode 0700, or GATEWAY_REDIS_URL to a Redis"
        ) from None
    return directory


def write(url: str, pid: int) -> Path:
    """Note a running server; the file is complete from the moment it is there, and only its owner may read it.

    Args:
        url: the server's URL, with its password.
        pid: the server's process.

    Raises:
        EmbeddedServerError: the runtime directory cannot be used.
    """
    path = runtime_directory() / f"{_PREFIX}{pid}.json"
    partial = path.with_suffix(".new")
    try:
        remove(partial)  # of a process that died while writing and had this pid
        # O_EXCL: never through a link that somebody prepared, and never with another's wider mode.
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"url": url, "pid": pid}, file)
        partial.replace(path)
    except OSError as error:
        raise EmbeddedServerError(f"the embedded server's file {path} cannot be written: {error}") from None
    return path


def remove(path: Path) -> None:
    """Take a note back; one that is gone already is no error."""
    with suppress(FileNotFoundError):
        path.unlink()


def find_embedded_url() -> str:
    """The URL of the one embedded server that this user runs.

    Files of processes that are gone are ignored, and removed.

    Raises:
        EmbeddedServerError: none runs, or several do; the message says what to do.
    """
    running: list[tuple[int, str]] = []
    for path in sorted(runtime_directory().glob(f"{_PREFIX}*.json")):
        note = _read(path)
        if note is None:
            remove(path)
        else:
            running.append(note)
    if not running:
        raise EmbeddedServerError(f"no embedded server is running: start `gateway serve`, {_ADVICE}")
    if len(running) > 1:
        pids = ", ".join(str(pid) for pid, _ in running)
        raise EmbeddedServerError(
            f"{len(running)} embedded servers are running (processes {pids}); to say which is meant, {_ADVICE}"
        )
    return running[0][1]


def _read(path: Path) -> tuple[int, str] | None:
    """The pid and URL of a file; None when its server is gone, or it is no file of ours."""
    try:
        note = json.loads(path.read_text("utf-8"))
        pid, url = int(note["pid"]), str(note["url"])
        status = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # `123 (valkey-server) S …`, see proc(5). The name, because the kernel gives the number of a dead process to another
    # one sooner or later; the state, because a container without an init keeps the dead as zombies (Z).
    name, _, state = status.partition("(")[2].rpartition(") ")
    return (pid, url) if name.startswith("valkey") and not state.startswith("Z") else None


def _check_owner(path: Path) -> None:
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise NotADirectoryError(f"{path} is not a directory")
    if info.st_uid not in (0, os.geteuid()):
        raise PermissionError(f"{path} belongs to another user")
