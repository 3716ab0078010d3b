"""The files of deploy/, read by parsers; what is true of several kinds of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from gateway.app import STOP_SECONDS
from gateway.fanout.asgi import LINGER_SECONDS
from gateway.server.serve import SHUTDOWN_SECONDS
from gateway.settings import Settings
from gateway.settings.note import note_of, variable

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"

SECRETS = {"redis_url", "jwt_secret", "table_token_secret", "operator_key"}
"""The settings that every way of deploying reads from files of these names."""

LONGEST_SILENCE = 1.5 * Settings().heartbeat_timeout
"""Seconds after which the gateway itself has closed a silent connection: one time-out to one and a half."""


def files() -> list[Path]:
    """Every file under deploy/ that is in the repository (secrets are made there, and ignored)."""
    found = [path for path in DEPLOY.rglob("*") if path.is_file()]
    return sorted(path for path in found if "secrets" not in path.parts and "__pycache__" not in path.parts)


def load_yaml(name: str) -> Any:
    """The one document of a YAML file under deploy/."""
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def walk(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping inside a parsed document."""
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def variables() -> set[str]:
    """Every environment variable that is a setting, the names of secrets' files among them."""
    fields = Settings.model_fields.items()
    return {variable(name) for name, _ in fields} | {
        f"{variable(name)}_FILE" for name, field in fields if note_of(field).secret
    }


def longest_stop(settings: Settings) -> float:
    """Seconds that a stop may take, from SIGTERM to the end of the process, each part at its time-out.

    Clients are sent away, the ways in are stopped, what was accepted is passed on, closes linger; then the server shuts
    down, and what is left of the application.
    """
    return STOP_SECONDS + 2 * settings.drain_seconds + LINGER_SECONDS + SHUTDOWN_SECONDS + STOP_SECONDS


def with_secrets(environment: Mapping[str, str], mounted: str, folder: Path) -> dict[str, str]:
    """The environment of a deployed gateway, with the folder in which it finds its secrets replaced.

    Every secret must be read from a file below `mounted`, and from one that is there.
    """
    files = {name: value for name, value in environment.items() if name.endswith("_FILE")}
    assert files.keys() == {f"{variable(name)}_FILE" for name in SECRETS}
    assert {value.removeprefix(mounted) for value in files.values()} == SECRETS
    return {**environment, **{name: str(folder / value.removeprefix(mounted)) for name, value in files.items()}}


def write_secrets(folder: Path) -> None:
    """Secrets that production accepts."""
    for name in SECRETS - {"redis_url"}:
        (folder / name).write_text(f"{name} of a test, which is long enough\n", "utf-8")
    (folder / "redis_url").write_text("redis://gateway:password@127.0.0.1:6379/0\n", "utf-8")


def in_docker_context(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore lets a path through.

    Patterns are anchored and hold for what is below; the last one that matches wins.
    """
    parts = path.split("/")
    above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    inside = True
    for pattern in patterns:
        text = pattern.removeprefix("!")
        tail = text.removeprefix("**/")
        if text == tail:
            matched = any(len(tail.split("/")) == len(one.split("/")) and fnmatchcase(one, tail) for one in above)
        else:
            matched = any(fnmatchcase(one.rsplit("/", 1)[-1], tail) for one in above)
        if matched:
            inside = pattern.startswith("!")
    return inside


def seconds(text: str) -> float:
    """`30s`, `2m` or `30` in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", str(text))
    assert found is not None, text
    return float(found[1]) * {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600}[found[2]]
