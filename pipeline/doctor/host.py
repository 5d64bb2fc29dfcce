"""Checks of this computer: Python packages, GPU, disk, clock."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from pipeline.config import Site
from pipeline.doctor.check import Check, fail, ok, warn

GIB = 1024**3
LOW_DISK = 10 * GIB
FULL_DISK = GIB // 2
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")


def packages() -> Iterator[Check]:
    """Whether every package that camtrail asks for is there in a version that fits."""
    wrong = []
    versions = {}
    for line in metadata.requires("camtrail") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        versions[requirement.name] = version
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} does not fit '{requirement.specifier}'")
    if wrong:
        yield fail("packages", "; ".join(wrong), "pip install --upgrade camtrail")
    else:
        python = ".".join(map(str, sys.version_info[:3]))
        yield ok("packages", f"Python {python}, {len(versions)} packages in versions that fit")
    yield from _torch(versions)
    yield from _opencv()


def _torch(versions: dict[str, str]) -> Iterator[Check]:
    import torch

    try:
        from torchvision.ops import nms

        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except Exception as error:  # a build for another torch fails at import or at its first use
        yield fail(
            "torch",
            f"torch {torch.__version__} and torchvision {versions.get('torchvision')} do not fit "
            f"each other ({type(error).__name__})",
            "install both anew from one place: pip install --force-reinstall torch torchvision",
        )
        return
    yield ok("torch", f"torch {torch.__version__}, torchvision {versions.get('torchvision')}")


def _opencv() -> Iterator[Check]:
    found = [name for name in OPENCV if _installed(name)]
    if len(found) > 1:
        yield fail(
            "opencv",
            f"{' and '.join(found)} overwrite each other's files",
            f"pip uninstall -y {' '.join(found)}; pip install opencv-python",
        )
        return
    import cv2

    yield ok("opencv", f"{', '.join(found)} {cv2.__version__}")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def gpu(site: Site | None) -> Iterator[Check]:
    """Which GPUs torch sees, and whether the configuration asks for one that is not there."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = [torch.cuda.get_device_name(number) for number in range(count)]
    devices = {site.detector.device, site.encoder.device} if site else set()
    wanted = sorted(device for device in devices if device.startswith("cuda"))
    if wanted and not count:
        yield fail("gpu", f"site.yaml asks for {wanted[0]}, torch sees no GPU", "set device: auto")
    elif count:
        yield ok("gpu", ", ".join(names))
    elif shutil.which("nvidia-smi"):
        yield warn(
            "gpu",
            "there is nvidia-smi, but torch sees no GPU",
            "check the driver with nvidia-smi, and that torch was built for it",
        )
    else:
        yield ok("gpu", f"none; the networks run on {os.cpu_count()} CPU cores")


def disk(site: Site) -> Iterator[Check]:
    """Whether the data directory can be written to, and how much room there is."""
    folder = site.data_dir
    existing = next(p for p in [folder, *folder.parents] if p.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"x")
    except OSError as error:
        yield fail(
            "disk",
            f"{existing} cannot be written to: {error.strerror}",
            "give the user that runs camtrail the right to write there, or change data_dir",
        )
        return
    free = shutil.disk_usage(existing).free
    detail = f"{free / GIB:.1f} GiB free for {folder}"
    if free < FULL_DISK:
        yield fail("disk", detail, "make room: nothing can be stored on a full disk")
    elif free < LOW_DISK:
        yield warn("disk", detail, "crops and paths grow for as long as the site runs")
    else:
        yield ok("disk", detail)


def clock() -> Iterator[Check]:
    """Whether the clock is sane: live cameras are stamped with it."""
    now = time.time()
    local = datetime.now().astimezone()
    offset = local.strftime("%z")
    detail = f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()} (UTC{offset[:3]}:{offset[3:]})"
    if now < Path(__file__).stat().st_mtime - 86_400:
        yield fail(
            "clock", f"{detail}: before camtrail was installed", "set the clock, best by NTP"
        )
    else:
        yield ok("clock", detail)
