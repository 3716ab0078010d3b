from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.url import check_url, redact_url
from gateway.errors import BrokerError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:geheim@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"),
        ("redis://app:geheim@redis:6379/1", "redis://app:***@redis:6379/1"),
        ("redis://app@redis:6379/1", "redis://app@redis:6379/1"),
        ("rediss://app:ge%40heim@[::1]:6380/0", "rediss://app:***@[::1]:6380/0"),
        ("redis://app:ge@heim@redis/0", "redis://app:***@redis/0"),
        ("unix:///run/redis.sock?db=1&password=geheim", "unix:///run/redis.sock?db=1&password=***"),
        ("rediss://r/0?ssl_password=geheim", "rediss://r/0?ssl_password=***"),
        ("redis+sentinel://:geheim@a:1,b:2/master/0", "redis+sentinel://:***@a:1,b:2/master/0"),
        ("redis://[::1", "(malformed)"),
        ("redis://app:geheim", "(malformed)"),
        ("app:geheim@redis:6379", "(malformed)"),
        ("http://app:geheim@redis:6379", "(malformed)"),
        ("redis://redis/0#geheim", "redis://redis/0"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(password=st.text(st.characters(exclude_characters="/?#[]\\", exclude_categories=["C", "Z"]), min_size=4))
def test_no_password_survives(password: str) -> None:
    assert password not in redact_url(f"redis://:{password}@h/0").replace("***", "")


@given(st.text())
def test_it_never_raises(text: str) -> None:
    assert isinstance(redact_url(text), str)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:secret@127.0.0.1:6379/0",
        "rediss://host:1",
        "unix:///tmp/x.sock?db=2",
        "unix://:secret@/tmp/x.sock",
    ],
)
def test_urls_of_one_server_are_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis+sentinel://:geheim@a:1,b:2/m/0", "asks for sentinel, which this version does not serve"),
        ("redis+cluster://:geheim@a:1", "asks for cluster, which this version does not serve"),
        ("http://:geheim@a:1", "unknown scheme; expected one of redis://, rediss://, unix://"),
        ("localhost:6379", "unknown scheme"),
        ("", "unknown scheme"),
        ("redis://:geheim@", "names no host"),
        ("redis://h:geheim", "malformed"),
        ("app:geheim@redis:6379", "unknown scheme"),
        ("redis://h:99999", "malformed"),
        ("unix://", "names no socket"),
    ],
)
def test_other_urls_are_refused_in_a_sentence_without_the_password(url: str, message: str) -> None:
    with pytest.raises(BrokerError, match=message) as caught:
        check_url(url)
    assert "geheim" not in str(caught.value)
