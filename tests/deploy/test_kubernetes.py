from __future__ import annotations

import json
import shutil
import subprocess

import jsonschema
import kubernetes_validate
import pytest

from tests.deploy.manifests import DEPLOY, KUBERNETES, Manifest, containers, documents, pod, read

BASE = DEPLOY / "kubernetes" / "base"
CHART = DEPLOY / "helm" / "camtrail"


def base() -> list[Manifest]:
    resources = read(BASE / "kustomization.yaml")["resources"]
    return [document for name in resources for document in documents((BASE / name).read_text())]


def job() -> list[Manifest]:
    return documents((DEPLOY / "kubernetes" / "train" / "job.yaml").read_text())


@pytest.mark.parametrize("manifest", [*base(), *job()], ids=lambda m: f"{m['kind']}")
def test_manifests_fit_the_schemas_of_kubernetes(manifest: Manifest) -> None:
    named = {**manifest, "metadata": {"name": "x", **manifest["metadata"]}}  # generateName
    kubernetes_validate.validate(named, KUBERNETES, strict=True)


def test_no_container_may_more_than_it_needs() -> None:
    found = list(containers([*base(), *job()]))
    assert len(found) == 9
    for spec, container in found:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        own = container["securityContext"]
        assert own["readOnlyRootFilesystem"] is True
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert container["resources"]["requests"]["cpu"]


def test_a_container_sees_the_password_of_its_own_role_only() -> None:
    roles = {}
    for _, container in containers(base()):
        if container["name"] == "metrics":
            assert not {"env", "envFrom"} & container.keys()
        env = {item["name"]: item for item in container.get("env", [])}
        if "REDIS_USER" in env:
            key = env["REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]["key"]
            assert key == f"REDIS_{env['REDIS_USER']['value'].upper()}_PASSWORD"
            roles[container["name"]] = env["REDIS_USER"]["value"]
            assert container["envFrom"] == [{"secretRef": {"name": "camtrail-cameras"}}]
    assert roles == {
        "matcher": "matcher",
        "viewer": "viewer",
        "inference": "worker",
        "worker-gate": "worker",
        "worker-lobby": "worker",
    }


def test_the_key_of_the_crops_is_mounted_where_they_are_written_or_shown() -> None:
    key_file = read(BASE / "campus.yaml")["encryption"]["key_file"]
    seen = set()
    for spec, container in containers(base()):
        for mount in container.get("volumeMounts", []):
            if mount["name"] == "crops-key":
                seen.add(container["name"])
                assert mount["readOnly"]
                assert key_file == f"{mount['mountPath']}/crops.key"
                (volume,) = (v for v in spec["volumes"] if v["name"] == "crops-key")
                assert volume["secret"] == {"secretName": "camtrail-crops", "defaultMode": 0o440}
    assert seen == {"matcher", "viewer", "worker-gate", "worker-lobby"}


def test_every_volume_that_is_mounted_is_there_and_every_set_has_its_service() -> None:
    services = {m["metadata"]["name"] for m in base() if m["kind"] == "Service"}
    for manifest in base():
        spec = pod(manifest)
        if spec is None:
            continue
        assert manifest["spec"]["serviceName"] in services
        names = {volume["name"] for volume in spec.get("volumes", [])}
        names |= {t["metadata"]["name"] for t in manifest["spec"]["volumeClaimTemplates"]}
        for container in spec["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= names


def test_the_files_that_kustomize_is_told_of_are_there() -> None:
    for folder in ("base", "cuda"):
        path = DEPLOY / "kubernetes" / folder
        content = read(path / "kustomization.yaml")
        for name in content["resources"]:
            assert (path / name).exists()
        for generator in content.get("configMapGenerator", []):
            for entry in generator["files"]:
                assert (path / entry.partition("=")[2]).exists()
        for patch in content.get("patches", []):
            assert {"kind": patch["target"]["kind"], "name": patch["target"]["name"]} in [
                {"kind": m["kind"], "name": m["metadata"]["name"]} for m in base()
            ]


def test_the_charts_values_fit_their_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = read(CHART / "values.yaml")
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema)
    for wrong in (
        {"groups": []},
        {"image": ""},
        {"colour": "red"},
        {"worker": {"cpu": "a lot"}},
        {"monitoring": {}},
        {"secrets": {"redis": "a", "cameras": "b"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**values, **wrong}, schema)


def test_the_charts_site_is_that_of_the_manifests() -> None:
    assert documents(read(CHART / "values.yaml")["site"]) == documents(
        (BASE / "campus.yaml").read_text()
    )


def test_prometheus_and_nobody_else_reaches_the_metrics_of_each_pod() -> None:
    policies = {m["metadata"]["name"]: m for m in base() if m["kind"] == "NetworkPolicy"}
    for manifest in base():
        spec = pod(manifest)
        if spec is None or not any(c["name"] == "metrics" for c in spec["containers"]):
            continue
        (container,) = (c for c in spec["containers"] if c["name"] == "metrics")
        (port,) = container["ports"]
        assert container["args"][-1] == f"0.0.0.0:{port['containerPort']}"
        annotations = manifest["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == str(port["containerPort"])
        rules = policies[manifest["metadata"]["name"]]["spec"]["ingress"]
        (rule,) = (r for r in rules if {"port": port["containerPort"]} in r["ports"])
        (peer,) = rule["from"]
        assert peer["namespaceSelector"]["matchLabels"] == {
            "kubernetes.io/metadata.name": "monitoring"
        }


@pytest.mark.skipif(not shutil.which("helm"), reason="needs helm")
def test_the_chart_gives_what_the_manifests_give() -> None:
    done = subprocess.run(["helm", "template", CHART], capture_output=True, text=True, check=True)
    rendered = documents(done.stdout)
    for manifest in rendered:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    names = [container["name"] for _, container in containers(base())]
    assert sorted(c["name"] for _, c in containers(rendered)) == sorted(names)
    command = ["helm", "template", CHART, "--set", "redis.deploy=false"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    without = [c["name"] for _, c in containers(documents(done.stdout))]
    assert sorted([*without, "redis"]) == sorted(names)
