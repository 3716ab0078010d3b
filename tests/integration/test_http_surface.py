"""The HTTP surface under whatever its own OpenAPI document says may be sent, and some that it does not say.

Each operation is tried open, with the operator's key, and with others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.serve import ServeProcess, serve
from tests.support.valkey import ValkeyServer

KEY = "operator-key-of-the-tests-0123456789"
OPERATORS = {"/ws/health/detailed", "/ws/metrics"}

bounded = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def keyed(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    # A process of its own: Hypothesis watches this one's `random`, of which a gateway draws the times of what it does
    # by itself, whatever is being generated meanwhile.
    folder = tmp_path_factory.mktemp("gateway")
    with serve(folder, "--redis-url", valkey.url, ready=False, GATEWAY_OPERATOR_KEY=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def operations(keyed: ServeProcess) -> list[Any]:
    document = httpx.get(f"{keyed.http}/openapi.json").json()
    # The operator API has a file of its own: its routes change things.
    document["paths"] = {path: of for path, of in document["paths"].items() if not path.startswith("/api/")}
    return [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]


@pytest.mark.parametrize("authorization", [None, f"Bearer {KEY}", f"bearer  {KEY} ", "Bearer wrong", "Basic a", ""])
def test_every_answer_is_a_documented_one_and_none_is_a_fault(
    authorization: str | None, operations: list[Any], keyed: ServeProcess
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    opened = authorization is not None and authorization.lower().startswith("bearer") and KEY in authorization
    for operation in operations:
        if operation.path in OPERATORS:
            expected = {200 if opened else 401}
        else:
            expected = {int(status) for status in operation.definition.raw["responses"] if status != "422"}
        try_operation(operation, keyed.http, headers, expected)
    assert {operation.path for operation in operations} >= OPERATORS | {"/ws/health"}


def try_operation(operation: Any, url: str, headers: dict[str, str], expected: set[int]) -> None:
    @bounded
    @given(case=operation.as_strategy())
    def try_it(case: Any) -> None:
        response = case.call(base_url=url, headers=headers)
        assert response.status_code in expected
        assert KEY not in response.text

    try_it()


odd_requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(
            ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "X"]
        ),
        "path": st.sampled_from(
            ["/ws/health", "/ws/health/detailed", "/ws/metrics", "/ws/waiter", "/ws/diner", "/ws", "/"]
        ),
        "tail": st.sampled_from(
            ["", "/", "//", "/..", "%2e%2e", "?token=x", "?%00", "?token=%ff", ";a=b", "%0d%0aX: y"]
        ),
        "body": st.binary(max_size=200),
        "header": st.sampled_from(["X-Forwarded-For", "Forwarded", "Content-Type", "Origin", "Upgrade", "Accept"]),
        "value": st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip),
    }
)


@bounded
@given(odd=odd_requests)
def test_what_no_document_says_is_no_fault_either(keyed: ServeProcess, odd: dict[str, Any]) -> None:
    url = f"{keyed.http}{odd['path']}{odd['tail']}"
    response = httpx.request(odd["method"], url, content=odd["body"], headers={odd["header"]: odd["value"]})
    assert response.status_code < 500
    assert KEY not in response.text
