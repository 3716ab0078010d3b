from __future__ import annotations

import pytest

from gateway.auth import base64url

# RFC 4648 §10 without padding, and the two characters in which the URL alphabet differs.
VECTORS = {
    b"": "",
    b"f": "Zg",
    b"fo": "Zm8",
    b"foo": "Zm9v",
    b"foob": "Zm9vYg",
    b"fooba": "Zm9vYmE",
    b"foobar": "Zm9vYmFy",
    b"\xfb\xff": "-_8",
}


@pytest.mark.parametrize(("data", "text"), VECTORS.items())
def test_the_vectors_of_the_rfc(data: bytes, text: str) -> None:
    assert base64url.encode(data) == text
    assert base64url.decode(text) == data


@pytest.mark.parametrize("text", ["Zg==", "Zg=", "Z", "Zm9vY", "Zm 9v", "Zm9v\n", "+/8", "Zh", "Zm9", "Zm9vYmF", "Ż"])
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        base64url.decode(text)
