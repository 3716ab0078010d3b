"""Somebody who issues tokens with keys of their own, and publishes them over real HTTP on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.forge import STAFF

KINDS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


class SigningKey:
    """A fresh key pair."""

    def __init__(self, algorithm: str = "ES256", kid: str | None = "k1", *, rsa_bits: int = 2048) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.private: Any = {
            "RS256": lambda: rsa.generate_private_key(65537, rsa_bits),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()

    @property
    def public(self) -> Any:
        return self.private.public_key()

    @property
    def pem(self) -> str:
        return str(self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """The public key as a set holds it."""
        member: dict[str, Any] = KINDS[self.algorithm].to_jwk(self.public, as_dict=True)
        return {**member, **({} if self.kid is None else {"kid": self.kid}), **changes}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A token; `header` changes its header."""
        headers = {**({} if self.kid is None else {"kid": self.kid}), **header}
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers=headers)


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims of now."""
    now = int(time.time())
    return {**STAFF, "tenant_id": 1, "branch_ids": [5], "iat": now, "exp": now + 3600, **changes}


class IdentityProvider:
    """Serves whatever a test puts into `body`.

    Attributes:
        body: what is answered.
        status: with which HTTP status.
        headers: and which headers more.
        gate: cleared, answers wait.
        hits: how often it was asked.
    """

    def __init__(self) -> None:
        self.body = b'{"keys":[]}'
        self.status = 200
        self.headers: dict[str, str] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.hits = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def publish(self, *keys: SigningKey) -> None:
        self.body = json.dumps({"keys": [key.jwk() for key in keys]}).encode()


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.hits += 1
            provider.gate.wait(20)
            self.send_response(provider.status)
            for name, value in provider.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(provider.body)))
            self.end_headers()
            self.wfile.write(provider.body)

        def log_message(self, *_arguments: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.gate.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
