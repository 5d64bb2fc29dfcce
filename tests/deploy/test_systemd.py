from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from pipeline.cli import app
from tests.deploy.manifests import DEPLOY

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
EXPOSURE = 20  # of 100, as systemd-analyze counts; a unit without a sandbox has 96

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")


def test_all_units_are_looked_at() -> None:
    assert len(UNITS) == 5


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_the_units(unit: Path, tmp_path: Path) -> None:
    for each in UNITS:  # they name each other; and the program is not installed here
        text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", each.read_text())
        (tmp_path / each.name).write_text(text)
    path = tmp_path / unit.name.replace("@.", "@gate.")
    if path.name != unit.name:
        (tmp_path / unit.name).rename(path)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_are_hardened(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", unit],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_unit_starts_a_command_that_there_is(unit: Path) -> None:
    line = re.search(r"(?m)^ExecStart=/opt/camtrail/bin/camtrail (.+)$", unit.read_text())
    assert line is not None
    role, *options = line[1].replace("%i", "gate").split()
    command = get_command(app).commands[role]  # type: ignore[attr-defined]
    command.make_context(role, options)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_key_of_the_crops_is_a_credential(unit: Path) -> None:
    text = unit.read_text()
    named = "CROPS_KEY_FILE=%d/crops.key" in text
    assert named is (unit.stem != "camtrail-inference")
    assert ("LoadCredential=crops.key:/etc/camtrail/crops.key" in text) is named
