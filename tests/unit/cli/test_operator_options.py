"""Where the operator API is, and with which key: what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.operator_options import api_of
from tests.support.fake_api import FakeApi, run_api
from tests.unit.cli.conftest import Run

KEY = "a-key-that-nobody-may-see-0123456789"


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with run_api() as fake:
        fake.answers("/rooms", {"rooms": [], "cursor": None, "silent": []})
        yield fake


def sent(fake: FakeApi) -> str | None:
    return fake.asked[0].headers.get("Authorization")


def test_the_option_wins_over_the_environment(run: Run, fake: FakeApi) -> None:
    assert run("rooms", "--url", fake.url, "--key", KEY, GATEWAY_OPERATOR_KEY="another").status == 0
    assert sent(fake) == f"Bearer {KEY}"


def test_the_environment_or_its_file_is_taken(run: Run, fake: FakeApi, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    assert run("rooms", "--url", fake.url, GATEWAY_OPERATOR_KEY_FILE=str(file)).status == 0
    assert sent(fake) == f"Bearer {KEY}"
    fake.asked.clear()
    both = run("rooms", "--url", fake.url, GATEWAY_OPERATOR_KEY=KEY)
    assert both.status == 2
    assert "both set" in both.err
    assert fake.asked == []


def test_without_any_none_is_sent(run: Run, fake: FakeApi) -> None:
    assert run("rooms", "--url", fake.url).status == 0
    assert sent(fake) is None


def test_a_file_that_is_not_there_is_said(run: Run, fake: FakeApi) -> None:
    ended = run("rooms", "--url", fake.url, GATEWAY_OPERATOR_KEY_FILE="/no/such/file")
    assert ended.status == 2
    assert "GATEWAY_OPERATOR_KEY_FILE" in ended.err


@pytest.mark.parametrize("key", ["é", "a\r\nX-Evil: 1"])
def test_what_cannot_stand_in_a_header_is_refused_and_not_repeated(run: Run, fake: FakeApi, key: str) -> None:
    for ended in (
        run("rooms", "--url", fake.url, "--key", key),
        run("rooms", "--url", fake.url, GATEWAY_OPERATOR_KEY=key),
    ):
        assert ended.status == 2
        assert key not in ended.err
        assert "expected printable ASCII" in ended.sentence
    assert fake.asked == []


@pytest.mark.parametrize(
    "url",
    ["ws://127.0.0.1:8001", "127.0.0.1:8001", "http://", "http://u:p@h", "http://h?key=x", "http://h:x", "http://h/ü"],
)
@pytest.mark.parametrize("command", ["rooms", "connections", "top"])
def test_what_is_no_url_is_wrong_usage(run: Run, command: str, url: str) -> None:
    ended = run(command, "--url", url)
    assert (ended.status, ended.out) == (2, "")
    assert "expected http://host:port" in ended.sentence


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://gateway.example", True),
        ("http://10.0.0.7:8001", True),
        ("https://gateway.example", False),
        ("http://localhost:8001", False),
        ("http://[::1]:8001", False),
    ],
)
def test_a_key_in_clear_to_another_machine_is_warned_about(
    capsys: pytest.CaptureFixture[str], url: str, warned: bool
) -> None:
    api_of(url, KEY)
    err = capsys.readouterr().err
    assert ("in clear" in err) == warned
    assert KEY not in err
