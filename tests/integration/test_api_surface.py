"""The operator API under whatever its own OpenAPI document says may be sent: every answer is one that it documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from tests.support.api import KEYS, OPERATOR, READ
from tests.support.serve import ServeProcess, serve
from tests.support.valkey import run_valkey

bounded = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
load_all_checks()
CONFORMING = CHECKS.get_by_names(
    ["status_code_conformance", "content_type_conformance", "response_schema_conformance", "not_a_server_error"]
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    # A server of its own: tenants are revoked here. A process of its own: Hypothesis watches this one's `random`, of
    # which a gateway draws the times of what it does by itself, whatever is being generated meanwhile.
    keys = {f"GATEWAY_{name.upper()}": value for name, value in KEYS.items()}
    folder = tmp_path_factory.mktemp("gateway")
    with run_valkey() as server, serve(folder, "--redis-url", server.url, ready=False, **keys) as running:
        yield running


@pytest.fixture(scope="module")
def operations(gateway: ServeProcess) -> list[Any]:
    document = httpx.get(f"{gateway.http}/openapi.json").json()
    document["paths"] = {path: of for path, of in document["paths"].items() if path.startswith("/api/")}
    found = [operation.ok() for operation in schemathesis.openapi.from_dict(document).get_all_operations()]
    # What drains stands last, since the rest is to be asked of a gateway that works.
    return sorted(found, key=lambda operation: operation.path.endswith("/drain"))


@pytest.mark.parametrize("key", [OPERATOR, READ, None])
def test_every_answer_is_a_documented_one(key: str | None, operations: list[Any], gateway: ServeProcess) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    for operation in operations:
        if key == OPERATOR and operation.path.endswith("/drain"):
            continue  # it does what it says, and a test of its own looks at that
        try_operation(operation, gateway.http, headers, refused=key is None)
    assert len(operations) > 10


def try_operation(operation: Any, url: str, headers: dict[str, str], *, refused: bool) -> None:
    @bounded
    @given(case=operation.as_strategy())
    def try_it(case: Any) -> None:
        response = case.call(base_url=url, headers=headers)
        case.validate_response(response, checks=CONFORMING)
        assert response.status_code < 500
        assert not refused or response.status_code == 401
        for secret in (OPERATOR, READ):
            assert secret not in response.text

    try_it()
