"""Lua scripts: read from this package, run by their SHA-1, and sent whole to a server that does not know them yet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

RedisArgument = str | bytes | int | float


class Script:
    """One script; `run` evaluates it. Immutable, thread-safe."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()  # how Redis names scripts

    async def run(self, client: Redis, keys: Sequence[str], args: Sequence[RedisArgument]) -> Any:
        """Evaluate it; the client's errors pass through."""
        call: Any = client  # the stubs take arguments as strings only
        try:
            return await call.evalsha(self.sha, len(keys), *keys, *args)
        except NoScriptError:
            # The server was restarted, or a replica was promoted. EVAL also makes it known again.
            return await call.eval(self.text, len(keys), *keys, *args)


@cache
def load_script(name: str, *, behind: str | None = None) -> Script:
    """The script of `scripts/<name>.lua`, behind a prologue (`held.lua` looks at the relay's lease) if one is named."""
    folder = files("gateway.broker") / "scripts"
    text = (folder / f"{name}.lua").read_text("utf-8")
    if behind is not None:
        text = (folder / f"{behind}.lua").read_text("utf-8") + "\n" + text
    return Script(name, text)
