"""The Kubernetes manifests, against the published schemas and against each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from gateway.endpoints.health import REDIS_SECONDS
from gateway.settings import Settings
from tests.support.deploy_files import DEPLOY, SECRETS, load_yaml, longest_stop, with_secrets, write_secrets

FOLDER = DEPLOY / "kubernetes"
KUSTOMIZATION = "kustomization.yaml"
MANIFESTS = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != KUSTOMIZATION)
VERSIONS = ("1.29", "1.37")
"""An old cluster and a new one."""

NAME = "fanout-gateway"


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    """By kind."""
    found = [load_yaml(f"kubernetes/{name}") for name in MANIFESTS]
    return {manifest["kind"]: manifest for manifest in found}


@pytest.fixture(scope="module")
def pod(manifests: dict[str, Any]) -> dict[str, Any]:
    return dict(manifests["Deployment"]["spec"]["template"]["spec"])


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (one,) = pod["containers"]
    return dict(one)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_keeps_its_schema(name: str, version: str) -> None:
    kubernetes_validate.validate(load_yaml(f"kubernetes/{name}"), version, strict=True)


def test_the_schema_is_looked_at(manifests: dict[str, Any]) -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**manifests["Service"], "specs": {}}, VERSIONS[-1], strict=True)


def test_kustomize_applies_every_manifest_but_the_optional_one(manifests: dict[str, Any]) -> None:
    kustomization = load_yaml(f"kubernetes/{KUSTOMIZATION}")
    assert sorted([*kustomization["resources"], "hpa.yaml"]) == MANIFESTS
    (image,) = kustomization["images"]
    assert image["name"] == manifests["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"]


def test_manifests_name_each_other(manifests: dict[str, Any], pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert {manifest["metadata"]["name"] for manifest in manifests.values()} == {NAME}
    labels = {"app.kubernetes.io/name": NAME}
    specs = {kind: manifest.get("spec", {}) for kind, manifest in manifests.items()}
    assert specs["Deployment"]["template"]["metadata"]["labels"] == labels
    assert specs["Service"]["selector"] == labels
    for selector in (
        specs["Deployment"]["selector"],
        specs["PodDisruptionBudget"]["selector"],
        specs["NetworkPolicy"]["podSelector"],
        *(spread["labelSelector"] for spread in pod["topologySpreadConstraints"]),
    ):
        assert selector == {"matchLabels": labels}
    assert pod["serviceAccountName"] == NAME
    assert container["envFrom"] == [{"configMapRef": {"name": NAME}}]
    assert specs["HorizontalPodAutoscaler"]["scaleTargetRef"] == {
        "apiVersion": manifests["Deployment"]["apiVersion"],
        "kind": "Deployment",
        "name": NAME,
    }


def test_its_settings_and_secrets_are_what_production_asks_for(
    manifests: dict[str, Any], pod: dict[str, Any], container: dict[str, Any], tmp_path: Path
) -> None:
    write_secrets(tmp_path)
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert volumes["secrets"]["secret"]["secretName"] == NAME
    assert mounts["secrets"]["readOnly"] is True
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    mounted = f"{mounts['secrets']['mountPath']}/"
    settings = Settings.load(with_secrets({**manifests["ConfigMap"]["data"], **environment}, mounted, tmp_path))
    assert settings.environment == "production"
    assert settings.trusted_proxies, "or all clients share the attempts of one address"
    assert settings.unknown == ()
    # The command that makes the Secret stands in the manifest's head.
    head = (FOLDER / "deployment.yaml").read_text("utf-8")
    assert set(re.findall(r"--from-file=(\w+)", head)) == SECRETS


def test_the_port_is_the_same_everywhere(manifests: dict[str, Any], container: dict[str, Any]) -> None:
    port = int(manifests["ConfigMap"]["data"]["GATEWAY_PORT"])
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert manifests["Service"]["spec"]["ports"][0]["targetPort"] == "http"
    assert manifests["NetworkPolicy"]["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": port}]


def test_liveness_asks_for_the_process_and_readiness_for_what_it_needs(container: dict[str, Any]) -> None:
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/ws/health", "port": "http"}
    assert container["readinessProbe"]["exec"]["command"] == ["gateway-probe", "/ws/health/detailed"]
    assert container["readinessProbe"]["timeoutSeconds"] > REDIS_SECONDS


def test_a_pod_has_more_time_to_go_than_its_stop_takes(
    manifests: dict[str, Any], pod: dict[str, Any], container: dict[str, Any]
) -> None:
    word, waits = container["lifecycle"]["preStop"]["exec"]["command"]
    assert word == "sleep"
    drain = Settings(drain_seconds=float(manifests["ConfigMap"]["data"]["GATEWAY_DRAIN_SECONDS"]))
    assert pod["terminationGracePeriodSeconds"] > int(waits) + longest_stop(drain)
    assert manifests["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_it_is_confined(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    user = (DEPLOY / "docker" / "Dockerfile").read_text("utf-8").partition("\nUSER ")[2].split("\n")[0]
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user


def test_it_has_as_many_reactors_as_cores_and_descriptors_for_its_clients(
    manifests: dict[str, Any], container: dict[str, Any]
) -> None:
    assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}
    assert manifests["ConfigMap"]["data"]["GATEWAY_BROADCAST_WORKERS"] == container["resources"]["limits"]["cpu"]
    program, limit, *command = container["args"]
    assert program == "prlimit"
    assert int(re.fullmatch(r"--nofile=(\d+):", limit)[1]) >= 65_536
    assert command == ["gateway", "serve"]
    assert "command" not in container, "the image's entry point hands signals on"
