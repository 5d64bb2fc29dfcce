"""Draws the README's pictures from a folder that `make demo` wrote.

``python deploy/pictures/draw.py demo`` writes ``journey.jpg``, the way of one person through the
cameras, and, where Debian's chromium is installed, ``report.jpg``, the top of the demo's page, and
two pages of the viewer: ``trail.jpg``, that person's, and ``review.jpg``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import av
import cv2
import numpy as np
from playwright.sync_api import Browser, sync_playwright

from pipeline.config import Site, load_site
from pipeline.output import local_time
from pipeline.records import Image
from pipeline.store import Store, Visit

HERE = Path(__file__).parent
WIDTH = 480  # pixels of each picture of the journey
BAR = 34
FOLLOWED, OTHERS = (80, 220, 255), (190, 190, 190)  # BGR
WINDOWS = {"report": (1200, 1190), "trail": (1280, 1100), "review": (1280, 560)}  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--identity", type=int, help="default: who is in the most cameras")
    options = parser.parse_args()
    site = load_site(options.demo / "site.yaml")
    with Store.open(site.store_url, read_only=True) as store:
        people = store.identities()
        person = options.identity or max(people, key=lambda p: len(p.cameras)).identity
        visits = store.identity(person).visits
        longest = [
            max(stay, key=lambda visit: visit.end - visit.start)
            for _, stay in groupby(visits, key=lambda visit: visit.camera)
        ]
        panels = [panel(site, store, visit, person) for visit in longest[:3]]
    height = min(len(picture) for picture in panels)
    save("journey.jpg", np.hstack([picture[:height] for picture in panels]))
    if chromium := shutil.which("chromium"):
        with sync_playwright() as started, viewer(options.demo / "site.yaml") as address:
            browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            screenshot(browser, "report", (options.demo / "report.html").resolve().as_uri())
            screenshot(browser, "trail", f"{address}/identities/{person}")
            screenshot(browser, "review", f"{address}/review")
            browser.close()


def panel(site: Site, store: Store, visit: Visit, person: int) -> Image:
    """The middle of a visit: everybody's box and identity, one of them followed."""
    tracks = list(store.tracks(visit.camera))
    number = next(int(t.frames[len(t.frames) // 2]) for t in tracks if t.key == visit.key)
    image = frame(Path(site.camera(visit.camera).source), number)
    scale = WIDTH / image.shape[1]
    size = (WIDTH, round(image.shape[0] * scale))
    image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    for track in sorted(tracks, key=lambda track: track.identity == person):
        for box in track.boxes[track.frames == number]:
            x1, y1, x2, y2 = (box * scale).round().astype(int).tolist()
            colour = FOLLOWED if track.identity == person else OTHERS
            thick = 3 if track.identity == person else 1
            cv2.rectangle(image, (x1, y1), (x2, y2), colour, thick, cv2.LINE_AA)
            write(image, str(track.identity or "?"), (x1, max(14, y1 - 6)), colour)
    bar = np.full((BAR, WIDTH, 3), 32, np.uint8)
    when = local_time(visit.start).split()[-1]
    write(bar, f"{visit.camera} {when}: identity {person}", (10, 23), FOLLOWED)
    return np.asarray(np.vstack([image, bar]), np.uint8)


def frame(video: Path, number: int) -> Image:
    with av.open(str(video)) as container:
        for index, picture in enumerate(container.decode(video=0), start=1):
            if index == number:
                return np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)
    raise SystemExit(f"{video} has no frame {number}")


def write(image: Image, text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    for shade, thick in (((0, 0, 0), 4), (colour, 1)):
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_DUPLEX, 0.55, shade, thick, cv2.LINE_AA)


@contextmanager
def viewer(site: Path) -> Iterator[str]:
    """The address of a viewer that runs."""
    command = [sys.executable, "-m", "pipeline.cli", "viewer", str(site), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().rstrip("/")
        process.terminate()


def screenshot(browser: Browser, name: str, address: str) -> None:
    width, height = WINDOWS[name]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(address, wait_until="networkidle")
    image = np.frombuffer(page.screenshot(), np.uint8)
    save(f"{name}.jpg", np.asarray(cv2.imdecode(image, cv2.IMREAD_COLOR), np.uint8))
    page.close()


def save(name: str, image: Image) -> None:
    cv2.imwrite(str(HERE / name), image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(HERE / name)


if __name__ == "__main__":
    main()
