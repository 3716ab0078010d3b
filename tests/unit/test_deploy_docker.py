"""The image and the compose file, as far as a parser sees them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from dockerfile_parse import DockerfileParser

from gateway.settings import Settings
from tests.support.deploy_files import (
    DEPLOY,
    ROOT,
    SECRETS,
    in_docker_context,
    load_yaml,
    longest_stop,
    seconds,
    with_secrets,
)

IGNORED = [
    line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")
]


@pytest.fixture(scope="module")
def stages() -> dict[str, list[tuple[str, str]]]:
    """Each stage's instructions, by the stage's name, in order."""
    content = (DEPLOY / "docker" / "Dockerfile").read_bytes()
    parser = DockerfileParser(fileobj=io.BytesIO(content))
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for instruction in parser.structure:
        kind, value = instruction["instruction"], instruction["value"]
        if kind == "FROM":
            name = value.split()[-1]
            assert " AS " in value, "every stage has a name"
            found[name] = []
        if kind != "COMMENT":
            found.setdefault(name, []).append((kind, value))
    return found


def values(stage: list[tuple[str, str]], kind: str) -> list[str]:
    return [value for name, value in stage if name == kind]


def test_the_image_is_built_in_stages_and_the_last_one_has_no_compiler(
    stages: dict[str, list[tuple[str, str]]],
) -> None:
    assert list(stages)[1:] == ["wheel", "environment", "runtime"]
    bases = {name: values(stage, "FROM")[0] for name, stage in stages.items() if name}
    assert bases["wheel"].startswith("rust:")
    assert bases["runtime"].startswith("python:${PYTHON}-slim-")
    assert all("${DEBIAN}" in base for base in bases.values()), "one C library for building and running"
    assert "maturin build --release --locked" in "".join(values(stages["wheel"], "RUN"))


def test_the_wheel_is_what_is_installed(stages: dict[str, list[tuple[str, str]]]) -> None:
    run = "".join(values(stages["environment"], "RUN"))
    assert "--from=wheel /wheels /wheels" in values(stages["environment"], "COPY")
    assert "--constraint /tmp/constraints.txt /wheels/*.whl" in run
    assert "--from=environment /opt/gateway /opt/gateway" in values(stages["runtime"], "COPY")


def test_the_image_runs_as_nobody_in_particular(stages: dict[str, list[tuple[str, str]]]) -> None:
    (user,) = values(stages["runtime"], "USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user), "numbers, so that an orchestrator can see that it is not root"
    instructions = [kind for kind, _ in stages["runtime"]]
    assert "RUN" not in instructions[instructions.index("USER") :]


def test_signals_reach_the_gateway_and_health_is_its_own(stages: dict[str, list[tuple[str, str]]]) -> None:
    runtime = stages["runtime"]
    # Parsed as JSON: the other form would put a shell in front, which keeps SIGTERM for itself.
    assert json.loads(values(runtime, "ENTRYPOINT")[0]) == ["/usr/bin/tini", "--"]
    assert json.loads(values(runtime, "CMD")[0]) == ["gateway", "serve"]
    (health,) = values(runtime, "HEALTHCHECK")
    assert json.loads(health.partition("CMD ")[2]) == ["gateway-probe", "/ws/health"]
    assert values(runtime, "EXPOSE") == [str(Settings().port)]


def test_what_is_copied_is_there_and_in_the_context(stages: dict[str, list[tuple[str, str]]]) -> None:
    copied = []
    for stage in stages.values():
        for copy in values(stage, "COPY"):
            words = copy.split()
            if not words[0].startswith("--from="):
                copied += [word for word in words[:-1] if not word.startswith("--")]
    assert {"python", "rust", "Cargo.lock", "requirements.lock", "deploy/docker/probe.py"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert in_docker_context(source, IGNORED), source


def test_the_build_sees_all_that_the_project_file_names(stages: dict[str, list[tuple[str, str]]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    copied = " ".join(values(stages["wheel"], "COPY")).split()
    for name in (project["readme"], *project["license-files"]):
        assert name in copied


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("python/gateway/app.py", True),
        ("rust/fanout_core/src/lib.rs", True),
        ("rust/fanout_core/fuzz/corpus/frame/hello", False),
        ("python/gateway/_fanout_core.abi3.so", False),
        ("python/gateway/__pycache__/app.cpython-311.pyc", False),
        ("deploy/compose/secrets/jwt_secret", False),
        (".git/config", False),
        (".venv/bin/python", False),
        ("target/release/libfanout_core.so", False),
        (".env", False),
    ],
)
def test_only_what_the_image_is_built_from_reaches_the_builder(path: str, inside: bool) -> None:
    assert in_docker_context(path, IGNORED) is inside


# --- compose ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def compose() -> dict[str, Any]:
    return dict(load_yaml("compose/compose.yaml"))


def test_the_gateway_of_compose_is_confined_and_has_time_to_stop(compose: dict[str, Any]) -> None:
    gateway = compose["services"]["gateway"]
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in gateway["security_opt"]
    assert gateway["ulimits"]["nofile"]["soft"] >= 65_536
    assert seconds(gateway["stop_grace_period"]) > longest_stop(Settings())
    assert all(port.startswith("127.0.0.1:") for port in gateway["ports"]), "TLS is the proxy's"
    assert gateway["depends_on"] == {"valkey": {"condition": "service_healthy"}}
    assert (DEPLOY / "compose" / gateway["build"]["context"]).resolve() == ROOT
    assert (ROOT / gateway["build"]["dockerfile"]).exists()


def test_valkey_of_compose_evicts_nothing_writes_a_log_and_is_reached_by_the_gateway_alone(
    compose: dict[str, Any],
) -> None:
    valkey = compose["services"]["valkey"]
    assert "ports" not in valkey
    assert compose["networks"][valkey["networks"][0]] == {"internal": True}
    assert valkey["networks"][0] in compose["services"]["gateway"]["networks"]
    assert (DEPLOY / "compose" / compose["configs"]["valkey_conf"]["file"]).exists()
    lines = dict(
        line.split(" ", 1)
        for line in (DEPLOY / "compose" / "valkey.conf").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert lines["maxmemory-policy"] == "noeviction"
    assert lines["appendonly"] == "yes"
    assert lines["aclfile"] == "/run/secrets/users_acl"
    assert valkey["volumes"] == [f"valkey-data:{lines['dir']}"]


def test_the_secrets_that_are_made_are_those_that_are_mounted_and_production_accepts_them(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    made = tmp_path / "secrets"
    script = DEPLOY / "compose" / "make-secrets.sh"
    for _ in range(2):
        subprocess.run(["sh", str(script), str(made)], check=True, capture_output=True)
    assert made.stat().st_mode & 0o777 == 0o700, "what lies in it may be readable, for containers' sake"

    mounted = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    services = compose["services"]
    assert {*services["gateway"]["secrets"], *services["valkey"]["secrets"]} == set(compose["secrets"]) == mounted
    assert {path.name for path in made.iterdir()} == mounted | {"redis_password"}
    assert set(services["gateway"]["secrets"]) == SECRETS

    environment = {**services["gateway"]["environment"], "GATEWAY_ALLOWED_ORIGINS": "https://app.example.com"}
    settings = Settings.load(with_secrets(environment, "/run/secrets/", made))
    assert settings.unknown == ()
    assert settings.environment == "production"
    assert settings.trusted_proxies, "or all clients share the attempts of one address"
    assert settings.redis_url == f"redis://gateway:{(made / 'redis_password').read_text()}@valkey:6379/0"
    assert len({settings.jwt_keys[None], settings.table_token_keys[None], str(settings.operator_key)}) == 3


def test_secrets_that_are_there_are_kept(tmp_path: Path) -> None:
    (tmp_path / "jwt_secret").write_text("mine", "utf-8")
    script = DEPLOY / "compose" / "make-secrets.sh"
    subprocess.run(["sh", str(script), str(tmp_path)], check=True, capture_output=True)
    assert (tmp_path / "jwt_secret").read_text("utf-8") == "mine"
