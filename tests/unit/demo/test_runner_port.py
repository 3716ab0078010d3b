"""Which port the demo's gateway gets."""

from __future__ import annotations

import socket

import pytest

from gateway.demo import runner
from gateway.demo.errors import DemoError
from gateway.demo.port import HOST, free_port


def test_the_usual_port_where_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = free_port()
    monkeypatch.setattr(runner, "DEFAULT_PORT", usual)
    notes: list[str] = []
    assert runner.choose_port(None, notes.append) == usual
    assert notes == []


def test_another_where_the_usual_one_is_taken_and_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        usual = listener.getsockname()[1]
        monkeypatch.setattr(runner, "DEFAULT_PORT", usual)
        notes: list[str] = []
        port = runner.choose_port(None, notes.append)
    assert port != usual
    assert notes == [f"port {usual} is taken, so this gateway listens on {port}"]


def test_a_port_that_was_asked_for_is_not_replaced() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        with pytest.raises(DemoError, match="is taken; give another with --port"):
            runner.choose_port(listener.getsockname()[1], lambda _: None)
