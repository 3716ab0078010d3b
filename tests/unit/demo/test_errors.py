"""Of many errors at once, the one that explains the others."""

from __future__ import annotations

from gateway.demo.errors import DemoError, root_cause
from gateway.errors import BrokerError


def test_what_happened_to_the_demo_comes_before_what_followed_from_it() -> None:
    cause = DemoError("the gateway ended")
    group = BaseExceptionGroup("", [BrokerError("away"), ValueError(), BaseExceptionGroup("", [cause])])
    assert root_cause(group) is cause


def test_an_error_of_ours_comes_before_a_strangers() -> None:
    cause = BrokerError("away")
    assert root_cause(BaseExceptionGroup("", [ValueError(), cause])) is cause


def test_a_fault_is_not_hidden() -> None:
    fault = ValueError("a bug")
    assert root_cause(BaseExceptionGroup("", [BaseExceptionGroup("", [fault])])) is fault
