"""Gathers what checks look at: the settings, this machine, and Redis."""

from __future__ import annotations

import asyncio
import resource
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.broker.permissions import denied
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.runtime_file import find_embedded_url
from gateway.broker.server_facts import server_facts
from gateway.broker.server_process import find_binary
from gateway.cli.checks.patient import Patient
from gateway.cli.node_sample import NodeSample
from gateway.cli.operator_api import OperatorApi, OperatorApiError
from gateway.errors import BrokerError, CoreMissingError, EmbeddedServerError, SettingsError
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.settings import FILE_SUFFIX, Settings, secret_variables
from gateway.types import SystemClock

_REDIS = ("GATEWAY_REDIS_URL", "GATEWAY_REDIS_URL_FILE")


def gather(environ: Mapping[str, str], redis_url: str | None, api: OperatorApi | None = None) -> Patient:
    """Look at everything; what cannot be looked at is said in the patient. Never raises for what is wrong with it.

    Args:
        environ: where settings are.
        redis_url: wins over the one of the settings.
        api: of a gateway that runs, to ask it for all nodes; None asks nobody.
    """
    settings, complaints = _settings(environ, redis_url)
    url, embedded = _find_redis(environ, redis_url, settings)
    about_redis: dict[str, Any] = asyncio.run(_ask_redis(url)) if url else {}
    return Patient(
        environ=environ,
        settings=settings,
        complaints=complaints,
        redis_url=url,
        embedded=embedded,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE),
        core_complaint=core_complaint(),
        embedding_complaint=_embedding_complaint(),
        secret_files=_secret_files(environ),
        **about_redis,
        **({} if api is None else _ask_nodes(api)),
    )


def _settings(environ: Mapping[str, str], redis_url: str | None) -> tuple[Settings | None, tuple[str, ...]]:
    try:
        return Settings.load(environ, redis_url=redis_url), ()
    except SettingsError as error:
        return None, tuple(str(error).splitlines())


def _find_redis(environ: Mapping[str, str], redis_url: str | None, settings: Settings | None) -> tuple[str, bool]:
    """The URL, and whether it is an embedded server's; an empty one where there is none."""
    if settings is None:
        # Another setting may be what is wrong; Redis is looked at all the same.
        with suppress(SettingsError):
            settings = Settings.load({name: environ[name] for name in _REDIS if name in environ}, redis_url=redis_url)
    if settings is None:
        return "", False
    if settings.redis_url:
        return settings.redis_url, False
    try:
        return find_embedded_url(), True
    except EmbeddedServerError:
        return "", False


async def _ask_redis(url: str) -> dict[str, Any]:
    try:
        commands = RedisCommands(url, CircuitBreaker("commands", SystemClock()))
    except SettingsError as error:
        return {"redis_complaint": str(error)}
    found: dict[str, Any] = {}
    try:
        # Each by itself: who may not ask for INFO is told what else is missing, too.
        for name, ask in (("servers", server_facts), ("denied", denied)):
            try:
                found[name] = tuple(await ask(commands))
            except BrokerError as error:
                found.setdefault("redis_complaint", str(error))
    finally:
        await commands.close()
    return found


def _ask_nodes(api: OperatorApi) -> dict[str, Any]:
    before = time.time()
    try:
        answer = api.get("/nodes")
    except OperatorApiError as error:
        return {"nodes_complaint": str(error)}
    after = time.time()
    sample = NodeSample.of(answer, after)
    return {"nodes": tuple(sample.nodes.values()), "silent": sample.silent, "asked_at": (before, after)}


def core_complaint() -> str:
    """Why the native core cannot be imported; empty where it can."""
    try:
        import gateway.fanout.native  # noqa: F401, PLC0415 - whether this works is the question
    except CoreMissingError as error:
        return str(error)
    return ""


def _embedding_complaint() -> str:
    try:
        find_binary()
    except EmbeddedServerError as error:
        return str(error)
    return ""


def _secret_files(environ: Mapping[str, str]) -> dict[str, int]:
    names = [name + FILE_SUFFIX for name in secret_variables()] + ["GATEWAY_ISSUERS_FILE"]
    modes = {}
    for name in names:
        if path := environ.get(name):
            with suppress(OSError, ValueError):  # what cannot be read is a complaint of the settings
                modes[name] = stat.S_IMODE(Path(path).stat().st_mode)
    return modes
