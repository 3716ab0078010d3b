"""Every name in Redis that the code can make, spelled as the documents spell it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from types import ModuleType
from typing import Any

import gateway.protocol
from gateway.hub import sectors
from gateway.protocol import limit_keys, rights
from gateway.types import Room

MODULES = (
    rights,
    sectors,
    *(
        importlib.import_module(f"gateway.protocol.{module.name}")
        for module in pkgutil.iter_modules(gateway.protocol.__path__)
        if module.name.endswith("keys")
    ),
)
"""Where names are made: a module of names says so in its own."""

_SAMPLES: dict[str, list[Any]] = {
    "room": [Room(7, 5)],
    "tenant": [7],
    "user": ["12"],
    "session": [77],
    "token_id": ["<jti>"],
    "run": ["<run>"],
    "question": ["<id>"],
}
_SUBJECTS = ["user:12", "session:77"]
"""What `key` is where a limit is meant; of an idempotency key it is whatever a producer likes."""


def documented_names() -> set[str]:
    """All but the channels of best-effort events: of tenant 7, branch 5, user 12, table session 77."""
    fixed = {
        value
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, str) and name.isupper() and not name.endswith(("CONSUMER", "_PATTERN", "_PREFIX"))
    }
    return fixed | {name for module in MODULES for name in _made_by(module)}


def is_made(name: str) -> bool:
    """Whether the code can make this name, with something in the place of what stands in angle brackets."""
    patterns = (re.sub(r"<\w+>", ".+", re.escape(made)) for made in documented_names())
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def _made_by(module: ModuleType) -> set[str]:
    found = set()
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ != module.__name__ or name.startswith("_") or not name.endswith(("_key", "_channel")):
            continue
        if inspect.signature(function).return_annotation != "str":
            continue
        arguments: list[list[Any]] = [[]]
        for parameter in inspect.signature(function).parameters:
            samples = _SAMPLES.get(parameter) or (_SUBJECTS if module is limit_keys else ["<key>"])
            arguments = [[*before, sample] for before in arguments for sample in samples]
        found |= {function(*given) for given in arguments}
    return found
