from __future__ import annotations

from gateway.fanout.rate_limit import TokenBucket


def taken(bucket: TokenBucket, now: float, tries: int) -> int:
    return sum(bucket.take(now) for _ in range(tries))


def test_a_burst_of_the_rate_passes_and_one_more_does_not() -> None:
    assert taken(TokenBucket(20, 100.0), 100.0, 21) == 20


def test_refills_continuously() -> None:
    bucket = TokenBucket(20, 100.0)
    assert taken(bucket, 100.0, 20) == 20
    assert not bucket.take(100.04)
    assert bucket.take(100.0625)
    assert not bucket.take(100.0625)


def test_a_refusal_takes_nothing() -> None:
    bucket = TokenBucket(2, 0.0)
    assert taken(bucket, 0.0, 10) == 2
    assert bucket.take(0.5)


def test_silence_fills_it_to_the_brim_and_no_further() -> None:
    bucket = TokenBucket(20, 0.0)
    taken(bucket, 0.0, 20)
    assert taken(bucket, 3_600.0, 100) == 20


def test_twenty_a_second_pass_for_ever() -> None:
    bucket = TokenBucket(20, 0.0)
    assert all(bucket.take(n * 0.0625) for n in range(10_000))  # 16 a second, exact in binary


def test_zero_is_unlimited() -> None:
    assert taken(TokenBucket(0, 0.0), 0.0, 1_000) == 1_000
