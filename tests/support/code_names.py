"""What a document means by a name in backticks: a module, or something in one."""

from __future__ import annotations

import importlib
import re
from typing import Any

from tests.support.documents import ROOT

RUST = ROOT / "rust" / "fanout_core" / "src"


def quoted(cell: str) -> list[str]:
    """Everything in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def resolve(name: str) -> Any:
    """The module, class, function or constant of a dotted name that begins with `gateway`.

    Raises:
        AssertionError: there is none.
    """
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            # A field of a pydantic model is no attribute of its class.
            found = getattr(found, "model_fields", {}).get(part) or getattr(found, part, None)
            assert found is not None, f"{name}: there is no {part}"
        return found
    raise AssertionError(f"{name}: no such module")


def holds(place: str, name: str) -> bool:
    """Whether a place in backticks, `gateway.…` or a file of the core, has something of this name."""
    if place.endswith(".rs"):
        text = (RUST / place).read_text("utf-8")
        return re.search(rf"\b(?:fn|struct|enum|trait|const) {name}\b", text) is not None
    found = resolve(place)
    last = name.rpartition(".")[2]
    return hasattr(found, name) or any(hasattr(value, last) for value in vars(found).values())


def check_places(cell: str) -> list[str]:
    """The places that a cell names, each of which is there.

    Raises:
        AssertionError: one is not.
    """
    places = [name for name in quoted(cell) if re.match(r"gateway(\.|$)", name) or re.fullmatch(r"[\w/]+\.rs", name)]
    for place in places:
        if place.endswith(".rs"):
            assert (RUST / place).exists(), place
        else:
            resolve(place)
    return places
