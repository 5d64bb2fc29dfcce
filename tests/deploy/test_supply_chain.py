from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.manifests import DEPLOY, ROOT

LOCKS = ("requirements-cpu.txt", "requirements-cuda.txt")
APART = re.compile(r"torch|torchvision|triton|cuda-.*|nvidia-(?!ml-py).*")


def locked(name: str) -> dict[str, str]:
    """Versions by package, each of which must have its digests."""
    text = (DEPLOY / name).read_text()
    entries = text.replace("\\\n", " ").strip().splitlines()
    versions = {}
    for entry in entries:
        found = re.fullmatch(r"([\w.-]+)==(\S+)( +--hash=sha256:[0-9a-f]{64})+ *", entry)
        assert found, entry[:80]
        versions[canonicalize_name(found[1])] = found[2]
    return versions


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_file_is_known_by_its_digest_and_names_no_host(name: str) -> None:
    assert len(locked(name)) > 60
    assert "://" not in (DEPLOY / name).read_text()


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = locked("requirements-cuda.txt")
    for line in [*project["dependencies"], *project["optional-dependencies"]["train"]]:
        asked = Requirement(line)
        assert asked.specifier.contains(versions[canonicalize_name(asked.name)]), line


def test_the_lock_for_processors_is_the_other_one_without_torch_and_cuda() -> None:
    everything = locked("requirements-cuda.txt")
    rest = {name: version for name, version in everything.items() if not APART.fullmatch(name)}
    assert locked("requirements-cpu.txt") == rest
    assert {"torch", "torchvision"} <= set(everything) - set(rest)


def test_all_licences_are_allowed() -> None:
    command = [sys.executable, DEPLOY / "licences.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0].lower(): line.split()[2:] for line in done.stdout.splitlines()}
    assert len(lines) > 60
    assert lines["ultralytics"] == ["AGPL-3.0"]
    assert lines["structlog"] == ["MIT"]


@pytest.mark.parametrize(
    ("said", "licences"),
    [
        ("License-Expression: MIT", {"MIT"}),
        ("License-Expression: Proprietary OR BSD-3-Clause", {"BSD-3-Clause"}),
        ("License-Expression: MIT AND (Apache-2.0 OR ISC)", {"MIT", "Apache-2.0"}),
        ("License-Expression: AGPL-3.0-or-later", {"AGPL-3.0"}),
        ("License-Expression: SSPL-1.0", {"SSPL-1.0"}),
        ("Classifier: License :: OSI Approved :: BSD License", {"BSD"}),
        ("License: Modified BSD, 3-clause\n  Copyright ...", {"BSD-3-Clause"}),
        ("License: as is, ask Bob", {"as is, ask bob"}),
        ("Summary: says nothing", set()),
    ],
)
def test_licences_are_read_as_packages_state_them(
    tmp_path: Path, said: str, licences: set[str]
) -> None:
    (tmp_path / "METADATA").write_text(f"Metadata-Version: 2.4\nName: odd\nVersion: 1\n{said}\n")
    script = runpy.run_path(str(DEPLOY / "licences.py"))
    found = script["licences_of"](Distribution.at(tmp_path))
    assert found == licences
    allowed = found and found <= script["ALLOWED"]
    assert bool(allowed) == (not licences & {"SSPL-1.0", "as is, ask bob"} and bool(licences))


@pytest.mark.slow
def test_a_bill_of_materials_can_be_made_of_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "camtrail.cdx.json"
    subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", "requirements", DEPLOY / LOCKS[0], "-o", path],
        check=True,
        capture_output=True,
    )
    bill = json.loads(path.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    named = {canonicalize_name(part["name"]): part["version"] for part in bill["components"]}
    assert named == locked(LOCKS[0])
