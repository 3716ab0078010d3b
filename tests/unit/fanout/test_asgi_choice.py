from __future__ import annotations

import sys

import pytest

import gateway
import gateway.fanout as fanout_package
from gateway.errors import CoreMissingError
from gateway.fanout import create_fanout
from gateway.fanout.base import Fanout, FanoutLimits

LIMITS = FanoutLimits()


@pytest.fixture
def no_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in sys.modules makes an import fail as a missing module does.
    monkeypatch.setitem(sys.modules, "gateway._fanout_core", None)
    monkeypatch.delitem(sys.modules, "gateway.fanout.native", raising=False)
    # Both were set on their packages by an earlier import, and would be found there.
    monkeypatch.delattr(gateway, "_fanout_core", raising=False)
    monkeypatch.delattr(fanout_package, "native", raising=False)


def test_pure_is_what_was_asked_for() -> None:
    fanout: Fanout = create_fanout("pure", LIMITS, production=True)
    assert fanout.name == "pure"


@pytest.mark.usefixtures("no_extension")
def test_auto_falls_back_in_development_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert create_fanout("auto", LIMITS).name == "pure"
    assert "plain Python" in caplog.text


@pytest.mark.usefixtures("no_extension")
@pytest.mark.parametrize(("kind", "production"), [("auto", True), ("native", False), ("native", True)])
def test_refuses_where_the_native_core_is_needed(kind: fanout_package.Kind, production: bool) -> None:
    with pytest.raises(CoreMissingError, match="GATEWAY_FANOUT=pure"):
        create_fanout(kind, LIMITS, production=production)


def test_auto_is_native_where_the_extension_is() -> None:
    pytest.importorskip("gateway._fanout_core")
    assert create_fanout("auto", LIMITS, production=True).name == "native"
