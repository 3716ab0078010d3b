"""Asking the operator API: pages, refusals in words, and a key that goes nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.cli import operator_api
from gateway.cli.operator_api import OperatorApi, OperatorApiError
from tests.support.fake_api import FakeApi, run_api

KEY = "a-key-that-nobody-may-see-0123456789"


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with run_api() as fake:
        yield fake


def test_an_answer_is_asked_for_with_the_key_and_the_parameters_that_are_there(fake: FakeApi) -> None:
    fake.answers("/status", {"node": "n1"})
    assert OperatorApi(fake.url, KEY).get("/status", {"tenant": 7, "user": "a&b", "branch": None}) == {"node": "n1"}
    (asked,) = fake.asked
    assert asked.path == "/api/v1/status"
    assert asked.parameters == {"tenant": "7", "user": "a&b"}
    assert asked.headers["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent(fake: FakeApi) -> None:
    fake.answers("/status", {})
    OperatorApi(fake.url).get("/status")
    assert "Authorization" not in fake.asked[0].headers


def test_a_prefix_of_a_proxy_stays_in_front(fake: FakeApi) -> None:
    with pytest.raises(OperatorApiError):
        OperatorApi(f"{fake.url}/gateway").get("/status")
    assert fake.asked[0].path == "/gateway/api/v1/status"


def test_pages_are_asked_for_until_the_last(fake: FakeApi) -> None:
    fake.answers(
        "/rooms", {"rooms": [1, 2], "cursor": "a"}, {"rooms": [3], "cursor": "b"}, {"rooms": [4], "cursor": None}
    )
    pages = list(OperatorApi(fake.url).all_of("/rooms", "rooms", {"tenant": 7}))
    assert [page["rooms"] for page in pages] == [[1, 2], [3], [4]]
    assert [asked.parameters for asked in fake.asked] == [
        {"tenant": "7", "limit": "1000"},
        {"tenant": "7", "limit": "1000", "cursor": "a"},
        {"tenant": "7", "limit": "1000", "cursor": "b"},
    ]


def test_pages_end_where_enough_is_there(fake: FakeApi) -> None:
    fake.answers("/rooms", {"rooms": [0] * 1000, "cursor": "a"}, {"rooms": [0] * 200, "cursor": "b"})
    pages = list(OperatorApi(fake.url).all_of("/rooms", "rooms", {}, 1200))
    assert [len(page["rooms"]) for page in pages] == [1000, 200]
    assert [asked.parameters["limit"] for asked in fake.asked] == ["1000", "200"]


def test_a_cursor_that_leads_nowhere_is_not_followed_for_ever(fake: FakeApi) -> None:
    fake.answers("/rooms", {"rooms": [], "cursor": "a"})
    assert len(list(OperatorApi(fake.url).all_of("/rooms", "rooms", {}))) == 2


def test_an_empty_page_is_not_the_last_while_it_has_a_cursor(fake: FakeApi) -> None:
    fake.answers("/rooms", {"rooms": [], "cursor": "a"}, {"rooms": [], "cursor": "b"}, {"rooms": [1], "cursor": None})
    assert [page["rooms"] for page in OperatorApi(fake.url).all_of("/rooms", "rooms", {}, 5)] == [[], [], [1]]


@pytest.mark.parametrize(
    ("status", "body", "headers", "says"),
    [
        (400, {"error": "`tenant` is wrong"}, {}, "`tenant` is wrong"),
        (401, {"error": "no valid key was sent"}, {}, "no valid key was sent; here a key is given with --key"),
        (403, b"", {}, "a key is given with --key or GATEWAY_OPERATOR_KEY"),
        (429, {"error": "too much"}, {"Retry-After": "3"}, "too much (try again in 3 s)"),
        (503, {"error": "Redis is away"}, {}, "HTTP 503: Redis is away"),
        (404, b"<html>", {}, "no operator API answers like that"),
        (200, b"{", {}, "no operator API answers like that"),
        (200, [], {}, "no operator API answers like that"),
        (200, {"nodes": 1}, {}, "no operator API answers like that"),
        (302, b"", {"Location": "http://127.0.0.1:1/"}, "HTTP 302: no operator API answers like that"),
        (500, {"error": "\x1b[2Jgone\n"}, {}, "HTTP 500: [2Jgone"),
    ],
)
def test_what_is_no_answer_is_a_sentence_without_the_key(
    fake: FakeApi, status: int, body: object, headers: dict[str, str], says: str
) -> None:
    fake.answers("/rooms", body, status=status, headers=headers)
    with pytest.raises(OperatorApiError) as refused:
        list(OperatorApi(fake.url, KEY).all_of("/rooms", "rooms", {}))
    assert says in str(refused.value)
    assert refused.value.status == status
    assert KEY not in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert len(fake.asked) == 1, "a redirect is not followed, nor is anything asked again"


def test_an_answer_without_end_is_cut(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_api, "MAX_ANSWER_BYTES", 1_000)
    fake.answers("/status", b'{"x":"' + b"y" * 2_000 + b'"}')
    with pytest.raises(OperatorApiError, match="that is no gateway"):
        OperatorApi(fake.url).get("/status")


def test_where_nobody_listens_it_is_said() -> None:
    with pytest.raises(OperatorApiError, match=r"no gateway answers at http://127\.0\.0\.1:1") as refused:
        OperatorApi("http://127.0.0.1:1", KEY).get("/status")
    assert refused.value.status == 0


def test_what_is_no_http_is_said(fake: FakeApi) -> None:
    with pytest.raises(OperatorApiError, match="no gateway answers"):
        OperatorApi(fake.url.replace("http:", "https:")).get("/status")
