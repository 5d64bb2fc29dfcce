"""How fast an hour of a site with twelve cameras is replayed, and whether twice the same.

``python -m tests.benchmarks.replay [--minutes 60] [--cameras 12] [--people 60] [--json]``

People walk from camera to camera, 8 to 20 s in view of each and 15 to 60 s between; their
embeddings are spread as an encoder's are. The file is written and read as `camtrail record` and
`camtrail replay --out` do it, everything that is decided goes into a store.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline.config import Matcher, Topology
from pipeline.records import CameraState, Envelope, Progress, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.replay.file import EncoderSaid, Header, Recording, write_recording
from pipeline.replay.run import replay, settings_of
from pipeline.store import Store
from tests.benchmarks.matcher import FINGERPRINT, START
from tests.benchmarks.population import Crowd

FPS = 10
DIMENSION = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cameras", type=int, default=12)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options.minutes, options.cameras, options.people)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:24} {value}")


def measure(folder: Path, minutes: float, cameras: int, people: int) -> dict[str, float | bool]:
    """Writes the recording and replays it twice."""
    file = folder / "site.camtrail"
    names = [f"camera{n:02}" for n in range(cameras)]
    header = Header(
        site="bench",
        cameras=tuple(names),
        topology=Topology(),
        matcher=Matcher(),  # type: ignore[call-arg]
        encoder=EncoderSaid(fingerprint=FINGERPRINT, accept=0.6, new=0.5),
    )
    write_recording(file, header, messages(names, people, 60 * minutes))
    recording = Recording(file)
    seconds, processor, results = [], [], []
    for number in range(2):
        site = settings_of(header, folder / str(number))
        with Store.open(site.store_url) as store:
            began, cpu = time.perf_counter(), time.process_time()
            results.append(replay(recording, site, store)[0])
            seconds.append(time.perf_counter() - began)
            processor.append(time.process_time() - cpu)
    return {
        "minutes": minutes,
        "megabytes": round(file.stat().st_size / 1e6, 1),
        "updates": results[0].updates,
        "tracklets": results[0].tracklets,
        "identities": results[0].identities,
        "people": people,
        "seconds": round(seconds[0], 1),
        "seconds_again": round(seconds[1], 1),
        "processor_seconds": round(processor[0], 1),
        "updates_per_second": round(results[0].updates / min(seconds)),
        "identical": results[0] == results[1],
    }


def messages(names: list[str], people: int, seconds: float) -> list[Envelope]:
    """What the workers would have put, by capture time."""
    rng = np.random.default_rng(7)
    crowd = Crowd(DIMENSION, 3)
    keyed: list[tuple[float, str, TrackletUpdate | Progress]] = []
    tracks = dict.fromkeys(names, 0)
    for person in crowd.persons(people):
        moment = float(rng.uniform(0, 60))
        while moment < seconds - 3:
            camera = names[int(rng.integers(len(names)))]
            tracks[camera] += 1
            stay = float(rng.uniform(8, 20))
            view = crowd.views(person[None])[0]
            for update in visit(camera, tracks[camera], moment, min(stay, seconds - moment), view):
                keyed.append((update.end, camera, update))
            moment += stay + float(rng.uniform(15, 60))
    for camera in names:
        run = f"01RUN{camera.upper():0<20}"
        for moment in range(int(seconds) + 1):
            time_, last = START + moment, moment == int(seconds)
            state = CameraState.ENDED if last else CameraState.RUNNING
            keyed.append((time_, camera, Progress(camera, run, time_, state, live=False)))
    numbers = dict.fromkeys(names, 0)
    result = []
    for _, camera, body in sorted(keyed, key=lambda item: item[:2]):
        numbers[camera] += 1
        result.append(Envelope(numbers[camera], body))
    return result


def visit(
    camera: str, track: int, start: float, stay: float, embedding: np.ndarray
) -> list[TrackletUpdate]:
    """An update a second; the last says that it has ended."""
    found = []
    ends = [*np.arange(np.floor(start) + 2, start + stay).tolist(), start + stay]
    since = start
    for seq, end in enumerate(ends, 1):
        times = np.arange(np.ceil(since * FPS), np.floor(end * FPS - 1e-6) + 1) / FPS
        points = [
            (START + t, int(t * FPS) + 1, (x := 30 * (t - start), 50, x + 40, 150)) for t in times
        ]
        found.append(
            TrackletUpdate(
                camera=camera,
                run=f"01RUN{camera.upper():0<20}",
                track=track,
                seq=seq,
                start=START + start,
                end=START + end - 1e-3,
                path=TrackPath.of(points),
                crops=3 * seq,
                quality=2.0 * seq,
                embedding=embedding,
                fingerprint=FINGERPRINT,
                thumbnail=None,
                thumbnail_quality=0.5,
                ended=seq == len(ends),
            )
        )
        since = end
    return found


if __name__ == "__main__":
    main()
