from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.client.emission import MAX_KEY_BYTES, entry_id_in, idempotency_key


def test_a_key_is_remembered_in_the_slot_of_the_stream() -> None:
    assert idempotency_key("outbox-4711") == "{events:critical}:seen:outbox-4711"


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY_BYTES + 1), "ü" * (MAX_KEY_BYTES // 2 + 1), "\udcff"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="an idempotency key"):
        idempotency_key(key)


@pytest.mark.parametrize("key", ["x", "x" * MAX_KEY_BYTES, "with space", "{tag}", "ü"])
def test_any_other_text_is_a_key(key: str) -> None:
    assert idempotency_key(key).endswith(":" + key)


def test_an_id_is_text_whether_or_not_the_client_decodes() -> None:
    assert entry_id_in(b"1-0") == entry_id_in("1-0") == "1-0"


def test_a_back_end_that_imports_the_client_pays_for_nothing_of_the_gateway_s() -> None:
    script = (
        "import sys, gateway.client\n"
        "ours = {name.split('.')[1] for name in sys.modules if name.startswith('gateway.')}\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'pydantic', 'structlog', 'prometheus_client'}\n"
        "print(sorted(ours), sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['client', 'errors', 'protocol', 'redis_url', 'types'] []"
