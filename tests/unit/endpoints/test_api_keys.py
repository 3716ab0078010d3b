"""Keys by scope: who holds one, and that all are looked at in constant time."""

from __future__ import annotations

import hmac
from typing import Any

import pytest

from gateway.endpoints.api import keys as module
from gateway.endpoints.api.keys import OPERATOR, ApiKeys, Scope

SCOPED = {Scope.READ: {"a": "key a", "b": "key b"}, Scope.PUBLISH: {"b": "key b"}}


def test_a_key_is_good_for_every_scope_that_it_stands_in() -> None:
    keys = ApiKeys(SCOPED, "all")
    assert keys.holder("key a") == ("a", {Scope.READ})
    assert keys.holder("key b") == ("b", {Scope.READ, Scope.PUBLISH})
    assert keys.holder("all") == (OPERATOR, set(Scope))


@pytest.mark.parametrize("given", ["", "key", "key a ", "KEY A", "key c", "\udcff", "é" * 10_000])
def test_what_is_no_key_is_nobodys(given: str) -> None:
    assert ApiKeys(SCOPED, "all").holder(given) is None


def test_without_keys_there_is_none() -> None:
    assert not ApiKeys({}, None)
    assert not ApiKeys({scope: {} for scope in Scope}, None)
    assert ApiKeys({}, "all")
    assert ApiKeys({}, None).holder("") is None


@pytest.mark.parametrize("given", ["key a", "all", "no key", "x"])
def test_every_key_is_compared_whatever_is_given(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: Any, other: Any) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    class Noting:
        compare_digest = staticmethod(compare)

    keys = ApiKeys(SCOPED, "all")
    monkeypatch.setattr(module, "hmac", Noting)
    keys.holder(given)
    # Two to read, one to publish, and the operator's for each scope; all of one length.
    assert compared == [(32, 32)] * (3 + len(Scope))
