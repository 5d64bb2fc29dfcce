from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.main import get_command

from pipeline.cli import app
from pipeline.config import load_site
from tests.deploy.manifests import DEPLOY, ROOT, read

SCHEMA = "check_jsonschema.builtin_schemas.vendor"
FILES = ("compose.yaml", "compose.cuda.yaml")


@pytest.mark.parametrize("name", FILES)
def test_compose_files_fit_their_schema(name: str) -> None:
    schema = json.loads(resources.files(SCHEMA).joinpath("compose-spec.json").read_text())
    jsonschema.validate(read(DEPLOY / name), schema)


@pytest.mark.parametrize("field", ["image", "read_only", "cap_drop", "security_opt", "restart"])
def test_every_service_is_kept_small(field: str) -> None:
    for name, service in read(DEPLOY / "compose.yaml")["services"].items():
        assert service.get(field), f"{name}: {field}"
        assert service["cap_drop"] == ["ALL"]
        assert not service.get("privileged")


def test_only_loopback_is_opened() -> None:
    for name, service in read(DEPLOY / "compose.yaml")["services"].items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_every_camera_of_the_site_has_a_worker_and_every_role_is_a_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = read(DEPLOY / "compose.yaml")["services"]
    given = environment(services["matcher"]["environment"])
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    site = load_site(DEPLOY / "site.yaml")
    workers = {name.removeprefix("worker-") for name in services if name.startswith("worker-")}
    assert workers == set(site.cameras)
    assert str(site.data_dir) == "/var/lib/camtrail"
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for service in services.values():
        if service["image"].startswith("camtrail:"):
            role, path, *options = service["command"]
            command = commands[role]
            assert path == "/etc/camtrail/site.yaml"
            command.make_context(role, [path, *options], resilient_parsing=False)


def environment(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: re.sub(r"\$\{\w+:\?\}", "secret", str(value)) for name, value in given.items()}


def test_every_variable_that_compose_asks_for_is_in_the_example() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+):\?\}", text))
    asked |= {secret["environment"] for secret in read(DEPLOY / "compose.yaml")["secrets"].values()}
    offered = re.findall(r"^(\w+)=$", (DEPLOY / "env.example").read_text(), re.MULTILINE)
    assert asked == set(offered)


def test_the_key_of_the_crops_is_a_file_for_those_alone_who_write_or_show_them() -> None:
    content = read(DEPLOY / "compose.yaml")
    seen = {name for name, service in content["services"].items() if service.get("secrets")}
    assert seen == {"worker-gate", "worker-lobby", "matcher", "viewer"}
    assert "${CROPS_KEY" not in (DEPLOY / "compose.yaml").read_text()  # in no environment
    (name,) = content["secrets"]
    for service in seen:
        given = environment(content["services"][service]["environment"])
        assert given["CROPS_KEY_FILE"] == f"/run/secrets/{name}"


def test_logs_are_bounded() -> None:
    for name, service in read(DEPLOY / "compose.yaml")["services"].items():
        if service["image"].startswith("camtrail:"):
            assert service["logging"]["options"]["max-size"], name


def test_what_others_made_has_a_fixed_version() -> None:
    images = {s["image"] for s in read(DEPLOY / "compose.yaml")["services"].values()}
    others = {image for image in images if not image.startswith("camtrail:")}
    assert len(others) == 3
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in others)


def test_prometheus_finds_the_metrics_and_grafana_finds_prometheus_and_the_dashboard() -> None:
    services = read(DEPLOY / "compose.yaml")["services"]
    settings = read(DEPLOY / "prometheus" / "prometheus.yaml")
    ((target,),) = (c["targets"] for s in settings["scrape_configs"] for c in s["static_configs"])
    host, port = target.split(":")
    assert services[host]["command"][-1] == f"0.0.0.0:{port}"
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = read(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (folder,) = read(provisioning / "dashboards" / "camtrail.yaml")["providers"]
    mounted = dict(v.split(":")[:2] for v in services["grafana"]["volumes"])
    assert mounted["./grafana/camtrail.json"] == f"{folder['options']['path']}/camtrail.json"
    assert mounted["./grafana/provisioning"] == "/etc/grafana/provisioning"
    for path in (*mounted, *(v.split(":")[0] for v in services["prometheus"]["volumes"])):
        assert not path.startswith("./") or (DEPLOY / path).exists()


def test_who_answers_prometheus_is_given_no_password() -> None:
    service = read(DEPLOY / "compose.yaml")["services"]["metrics"]
    assert "environment" not in service
    assert "env_file" not in service


HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.skipif(not HADOLINT, reason="needs hadolint")
def test_hadolint_has_nothing_to_say_of_the_image() -> None:
    done = subprocess.run([str(HADOLINT), DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_in_particular_and_copies_only_what_it_needs() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert (ROOT / ".dockerignore").read_text().splitlines()[0] == "*"
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}
    for name in copied - {"--from=built", "/opt/camtrail", "deploy/requirements-*.txt"}:
        assert (ROOT / name).exists()
        assert f"!{name}" in (ROOT / ".dockerignore").read_text().splitlines()
