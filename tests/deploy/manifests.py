"""The manifests under ``deploy``, and what a cluster would make of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.31"  # the schemas' version

Manifest = dict[str, Any]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def documents(text: str) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(text) if document]


def pod(manifest: Manifest) -> Manifest | None:
    """The pod that a manifest starts, if any."""
    template = manifest["spec"].get("template") if "spec" in manifest else None
    return template["spec"] if template else None


def containers(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Each container with its pod."""
    for manifest in manifests:
        spec = pod(manifest)
        for container in spec["containers"] if spec else []:
            yield spec or {}, container
