from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.redis_url import SCHEMES, RedisKind, parse_redis_url, redact_url


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
    ("url", "plain"),
    [
        ("redis://localhost", "redis://localhost"),
        ("redis://:secret@127.0.0.1:6379/0", "redis://:secret@127.0.0.1:6379/0"),
        ("rediss://host:1?ssl_ca_certs=/ca.pem", "rediss://host:1?ssl_ca_certs=/ca.pem"),
        ("unix:///tmp/x.sock?db=2", "unix:///tmp/x.sock?db=2"),
        ("unix://:secret@/tmp/x.sock", "unix://:secret@/tmp/x.sock"),
    ],
)
def test_a_single_server_s_url_is_the_client_library_s_own(url: str, plain: str) -> None:
    address = parse_redis_url(url)
    assert (address.kind, address.plain, address.hosts) == (RedisKind.SINGLE, plain, ())


def test_sentinels_have_a_service_a_database_and_a_login_of_their_own() -> None:
    address = parse_redis_url(
        "redis+sentinel://app:ge%2Fheim@a:1,[::1]:2,c/my%20master/3?sentinel_password=x%26y&socket_keepalive=yes"
    )
    assert address.kind is RedisKind.SENTINEL
    assert address.hosts == (("a", 1), ("::1", 2), ("c", 26379))
    assert address.service == "my master"
    assert (address.sentinel_username, address.sentinel_password) == (None, "x&y")
    # What the Sentinels need alone is no option of the data servers.
    assert address.plain == "redis://app:ge%2Fheim@a:1/3?socket_keepalive=yes"


def test_nodes_of_a_cluster() -> None:
    address = parse_redis_url("redis+cluster://:geheim@a:7000,b?client_name=x")
    assert (address.kind, address.hosts) == (RedisKind.CLUSTER, (("a", 7000), ("b", 6379)))
    assert address.plain == "redis://:geheim@a:7000/?client_name=x"


@pytest.mark.parametrize("scheme", ["rediss+sentinel", "rediss+cluster"])
def test_tls_reaches_every_data_server(scheme: str) -> None:
    assert parse_redis_url(f"{scheme}://a:1/{'m' if 'sentinel' in scheme else ''}").plain == "rediss://a:1/"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_examples_are_good(scheme: str) -> None:
    assert parse_redis_url(SCHEMES[scheme].example).kind is SCHEMES[scheme].kind


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://:geheim@a:1", "unknown scheme; expected one of redis://, rediss://, unix://"),
        ("localhost:6379", "unknown scheme"),
        ("", "unknown scheme"),
        ("app:geheim@redis:6379", "unknown scheme"),
        ("redis://:geheim@", "names no host"),
        ("redis:", "names no host"),
        ("redis://h:geheim", "host or its port cannot be read"),
        ("redis://h:99999", "host or its port cannot be read"),
        ("redis://:geheim@[::1", "host or its port cannot be read"),
        ("redis://h/geheim", "its database is no number"),
        ("redis://a:1,b:2/0", r"names several servers, for which there are redis\+sentinel:// and"),
        ("unix://", "names no socket"),
        ("redis+sentinel://:geheim@/m/0", "names no host"),
        ("redis+sentinel://:geheim@a:1,/m/0", "names no host"),
        ("redis+sentinel://:geheim@a:1,b:2", "does not name the master"),
        ("redis+sentinel://:geheim@a:1,b:2/m/x", "its database is no number"),
        ("redis+cluster://:geheim@a:1/3", "a cluster has database 0 alone"),
        ("redis+cluster://", "names no host"),
    ],
)
def test_other_urls_are_refused_in_a_sentence_without_the_password(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_redis_url(url)
    assert "geheim" not in str(caught.value)
    assert "://" in str(caught.value), "an example is given"


@given(st.text(), st.sampled_from(sorted(SCHEMES)))
def test_whatever_stands_in_it_is_understood_or_refused(text: str, scheme: str) -> None:
    with suppress(ValueError):
        address = parse_redis_url(f"{scheme}://{text}")
        assert address.plain.startswith(f"{SCHEMES[scheme].plain}://")


def test_its_repr_holds_no_password() -> None:
    assert "geheim" not in repr(parse_redis_url("redis+sentinel://:geheim@a:1/m?sentinel_password=geheim"))
