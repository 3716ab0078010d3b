"""A run of the gateway as an operator starts it, with secrets from files; then everything that it said is searched."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx

from gateway.client import AsyncRevoker
from tests.support.clients import client, welcomed
from tests.support.identity_provider import SigningKey, claims, identity_provider
from tests.support.serve import serve
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer

IDP = "https://id.example.com/"


async def test_no_secret_and_no_token_is_in_logs_metrics_or_answers(tmp_path: Path, valkey: ValkeyServer) -> None:
    secrets = {
        "GATEWAY_JWT_SECRET": "jwt-secret-0123456789-0123456789-abc",
        "GATEWAY_TABLE_TOKEN_SECRETS": "2026:table-secret-0123456789-0123456789",
        "GATEWAY_OPERATOR_KEY": "operator-key-0123456789-0123456789-ab",
        "GATEWAY_API_OPERATE_KEYS": "support:operate-key-0123456789-0123456789-ab",
        "GATEWAY_REDIS_URL": valkey.url,
    }
    environment = {}
    for name, secret in secrets.items():
        (tmp_path / name).write_text(secret + "\n")
        environment[f"{name}_FILE"] = str(tmp_path / name)
    shared = "shared-secret-0123456789-0123456789"
    (tmp_path / "shared").write_text(shared)
    key = SigningKey("EdDSA")
    with identity_provider() as provider:
        provider.publish(key)
        (tmp_path / "issuers.toml").write_text(
            f'[[issuer]]\niss = "{IDP}"\nalgorithms = ["EdDSA"]\njwks_url = "{provider.url}"\n'
            '[[issuer]]\niss = "shop"\nalgorithms = ["HS256"]\nsecret_file = "shared"\n'
        )
        good = staff_token(secret=secrets["GATEWAY_JWT_SECRET"], user="good")
        named = key.sign(claims(iss=IDP, sub="named"))
        bad = [
            staff_token(secret="x" * 40),
            key.sign(claims(iss="nobody")),
            SigningKey("EdDSA", "made-up").sign(claims(iss=IDP)),
            good[:-5],
            named + "x",
            table_token(secret="y" * 40),
        ]
        key_header = {"Authorization": f"Bearer {secrets['GATEWAY_OPERATOR_KEY']}"}
        with serve(
            tmp_path, ready=False, GATEWAY_ISSUERS_FILE=str(tmp_path / "issuers.toml"), **environment
        ) as gateway:
            async with httpx.AsyncClient(base_url=gateway.http, timeout=10) as http:
                async with asyncio.timeout(20):
                    while (await http.get("/ws/health/detailed", headers=key_header)).status_code != 200:
                        await asyncio.sleep(0.05)
                async with welcomed(gateway.ws, "/ws/waiter", good) as peer:
                    await peer.send({"type": "refresh_token", "token": bad[0]})
                    assert (await peer.json())["code"] == "bad_token"
                    async with AsyncRevoker.from_url(valkey.url) as revoker:
                        await revoker.revoke_user(1, "good")
                    assert await peer.close_code() == 4001
                for token in (good, *bad):
                    async with client(gateway.ws, "/ws/waiter", token) as peer:
                        assert await peer.close_code() == 4001
                async with welcomed(gateway.ws, "/ws/waiter", named, subprotocols=["bearer", named]):
                    pass
                operate_key = secrets["GATEWAY_API_OPERATE_KEYS"].removeprefix("support:")
                revoked = await http.post(
                    "/api/v1/revoke",
                    json={"tenant": 1, "user": "nobody"},
                    headers={"Authorization": f"Bearer {operate_key}"},
                )
                assert revoked.status_code == 200
                answers = [
                    (await http.get(path, headers=headers)).text
                    for path in (
                        "/ws/health/detailed",
                        "/ws/metrics",
                        f"/ws/waiter?token={good}",
                        "/openapi.json",
                        "/api/v1/status",
                        "/api/v1/connections",
                    )
                    for headers in (key_header, {"Authorization": "Bearer wrong-operator-key"})
                ]
            gateway.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(gateway.process.wait, 20)
        said = gateway.log_text() + "".join(answers)
    assert "revoked" in said
    assert '"support"' in said or "key=support" in said, "who has done it is in the log, by name"
    assert "gateway_revocations_total" in said
    table_secret = secrets["GATEWAY_TABLE_TOKEN_SECRETS"].removeprefix("2026:")
    for secret in (*secrets.values(), table_secret, operate_key, shared, valkey.password, "wrong-operator-key"):
        assert secret not in said
    for token in (good, named, *bad):
        for part in token.split("."):
            assert len(part) < 40 or part not in said
