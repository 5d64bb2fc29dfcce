"""`camtrail run` on real footage with a public detector and public encoders, against the truth.

``python -m tests.benchmarks.real_footage [--rtsp]``

The clip is a real scene cut into two cameras (``video/pets-two-cameras`` of the folder of real
data). Beside camtrail's identities it scores others of the *same* tracklets, taken from the store
of the same run: every tracklet an identity of its own; average linkage of the mean embeddings,
with the threshold that scores best in hindsight; and the perfect association.

With ``--rtsp`` the clip is served on loopback at its own pace and `camtrail run` follows it until
it is over. A live camera does not know the numbers of the file's frames: the constant offset in
time between arrival and file is taken, for each camera, at which the most boxes fit the truth.
Scored are the frames in which somebody was tracked: a machine that is too busy skips the others.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from sqlalchemy import create_engine, select

from pipeline.child import spawn
from pipeline.config import Site, load_site
from pipeline.evaluate.evaluation import Evaluation, evaluate
from pipeline.evaluate.scores import compare
from pipeline.evaluate.truth import Boxes, Truth, read_truth
from pipeline.records import FloatArray, FrameArray, TimeArray, TrackletKey
from pipeline.store import Store, TrackRow
from pipeline.store.packing import unpack_embedding
from pipeline.store.schema import tracklets, updates
from tests.benchmarks.clustering import Item, average_linkage
from tests.benchmarks.recording import Whole
from tests.pipeline.camera.rtsp import RtspServer

CAMERAS = ("left", "right")
DETECTOR = "yolo11n_deq.pt"
ENCODERS = {
    "osnet_x0_25_msmt17": (
        "input: {height: 256, width: 128, layout: nchw, colour: rgb,\n"
        "        mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]}\ndimension: 512\n"
    ),
    "person-reidentification-retail-0288": (
        "input: {height: 256, width: 128, layout: nhwc, colour: bgr,\n"
        "        mean: [0, 0, 0], std: [1, 1, 1]}\ndimension: 256\n"
    ),
}
TOLERANCES = (0.0, 0.25)  # seconds for which the rival may see somebody in two places
LATEST_START = 30.0  # seconds of the clip that may have passed when a camera is connected
Wholes = Mapping[str, Sequence[Whole]]  # by camera


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtsp", action="store_true", help="live, from a server on loopback")
    rtsp = parser.parse_args().rtsp
    data = real_data()
    clip = data / "video" / "pets-two-cameras"
    for encoder in ENCODERS:
        print(f"{encoder}, {'over RTSP' if rtsp else 'from the files'}", flush=True)
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            sources = {name: str(clip / f"{name}.mp4") for name in CAMERAS}
            servers: dict[str, RtspServer] = {}
            if rtsp:
                servers = {n: stack.enter_context(RtspServer(clip / f"{n}.mp4")) for n in CAMERAS}
                sources = {name: server.url() for name, server in servers.items()}
            path = write_site(Path(folder), data, encoder, sources)
            site = load_site(path)
            run(site, path, servers)
            measure(site, clip, rtsp)


def real_data() -> Path:
    """The folder of real videos and weights."""
    named = os.environ.get("CAMTRAIL_TEST_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        sys.exit(f"no real data at {folder}; set CAMTRAIL_TEST_DATA")
    return folder.resolve()


def write_site(folder: Path, data: Path, encoder: str, sources: Mapping[str, str]) -> Path:
    """A ``site.yaml`` with nothing in it but the sources and the weights: all else by default."""
    shutil.copy(data / "encoder" / f"{encoder}.onnx", folder)
    (folder / f"{encoder}.yaml").write_text(ENCODERS[encoder])
    lines = ["site: pets", f"detector: {{weights: {data / 'detector' / DETECTOR}}}"]
    lines += [f"encoder: {{path: {encoder}.onnx}}", "cameras:"]
    for name, source in sources.items():
        start = "" if source.startswith("rtsp:") else ", start: 2026-01-05T08:00:00Z"
        lines.append(f'  {name}: {{source: "{source}"{start}}}')
    path = folder / "site.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(site: Site, path: Path, servers: Mapping[str, RtspServer]) -> None:
    """`camtrail run`: to the end of the files, or until both streams are over, then Ctrl-C."""
    command = [sys.executable, "-m", "pipeline.cli", "run", str(path)]
    with (path.parent / "run.log").open("wb") as log:
        process = spawn(command if servers else [*command, "--until-end"], log)  # ends with us
        try:
            if servers:
                follow(site, process, servers)
                process.send_signal(signal.SIGINT)
            process.wait(300)
        finally:
            end(process)
    if process.returncode:
        sys.exit(f"camtrail run: {process.returncode}\n{(path.parent / 'run.log').read_text()}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a run that still goes on: it stops its own processes in order, or they end with it."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def follow(site: Site, process: subprocess.Popen[bytes], servers: Mapping[str, RtspServer]) -> None:
    """Until each stream has been read to its end, once: then its server goes, for it would begin
    again from the start.
    """
    watched = dict(servers)
    deadline = time.monotonic() + 300
    while watched:
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("the streams were not read to their end")
        for name in list(watched):
            log = site.data_dir / "logs" / f"worker-{name}.log"
            if log.exists() and "the stream broke off" in log.read_text():
                watched.pop(name).kill()
        time.sleep(0.02)


def measure(site: Site, clip: Path, rtsp: bool) -> None:
    """Prints the scores of the run in the store of ``site``, and those of its rivals."""
    truth = read_truth(clip, CAMERAS)
    found = {name: stored(site, name) for name in CAMERAS}
    if rtsp:
        for name in CAMERAS:
            fps = cv2.VideoCapture(str(clip / f"{name}.mp4")).get(cv2.CAP_PROP_FPS)
            found[name], truth[name] = align(name, found[name], truth[name], fps)
    everyone = [whole for wholes in found.values() for whole in wholes]
    ours = {w.key: w.row.identity for w in everyone if w.row.identity is not None}
    alone = score(truth, found, {})
    rival, distance = best_clustering(truth, found)
    print(f"{'':38}{'IDF1':>7}{'HOTA':>7}{'ids':>6}{'merged':>8}{'split':>7}")
    for name, result in {
        f"{len(everyone)} tracklets, each its own identity": alone,
        f"average linkage, best at {distance:.3f}": rival,
        "camtrail": score(truth, found, ours),
        "perfect association": score(truth, found, alone.person_of_tracklet),
    }.items():
        scores = result.overall
        print(
            f"{name:38}{scores.idf1:7.3f}{scores.hota:7.3f}{scores.identities:6}"
            f"{result.false_merges:8}{result.fragmentation:7}"
        )
    with Store.open(site.store_url, read_only=True) as store:
        counts, frames = store.counts(), [camera.frames for camera in store.cameras()]
    print(f"frames {frames}, missing {counts.missing}, twice {counts.duplicates}\n", flush=True)


def stored(site: Site, camera: str) -> list[Whole]:
    """The tracklets of a camera with the embeddings that the matcher had of them at last."""
    t, u = tracklets.c, updates.c
    query = (
        select(t.run, t.track, t.start, t.end, u.embedding)
        .join(updates, u.tracklet == t.id)
        .where(t.camera == camera, u.embedding.is_not(None))
        .order_by(u.seq)
    )
    engine = create_engine(site.store_url)
    embeddings: dict[TrackletKey, FloatArray | None] = {}
    with engine.connect() as connection:
        for row in connection.execute(query):
            key = TrackletKey(camera, row.run, row.track)
            embeddings[key] = unpack_embedding(row.embedding)
    engine.dispose()
    with Store.open(site.store_url, read_only=True) as store:
        return [
            Whole(r.key, float(r.times[0]), float(r.times[-1]), embeddings.get(r.key), r)
            for r in store.tracks(camera)
        ]


def best_clustering(truth: Mapping[str, Truth], found: Wholes) -> tuple[Evaluation, float]:
    """The best partition of average linkage, and its distance; who has no embedding stays alone."""
    known = [w for wholes in found.values() for w in wholes if w.embedding is not None]
    items = [Item(w.key.camera, w.start, w.end, unit(w.embedding)) for w in known]
    scored = []
    for tolerance in TOLERANCES:
        for distance, labels in average_linkage(items, tolerance):
            who = {w.key: int(n) + 1 for w, n in zip(known, labels, strict=True)}
            scored.append((score(truth, found, who), distance))
    return max(scored, key=lambda pair: pair[0].overall.idf1)


def unit(vector: FloatArray | None) -> FloatArray:
    assert vector is not None
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def score(truth: Mapping[str, Truth], found: Wholes, who: Mapping[TrackletKey, int]) -> Evaluation:
    """The tracklets under these identities (> 0); one without counts as an identity of its own."""
    rows: dict[str, list[TrackRow]] = {
        camera: [replace(w.row, identity=who.get(w.key)) for w in wholes]
        for camera, wholes in found.items()
    }
    return evaluate(truth, rows)


def align(
    camera: str, wholes: Sequence[Whole], truth: Truth, fps: float
) -> tuple[list[Whole], Truth]:
    """The tracklets with the numbers of the file's frames, and the truth of these frames."""
    times = np.concatenate([w.row.times for w in wholes])
    labels = np.repeat(np.arange(len(wholes)), [len(w.row.times) for w in wholes])
    boxes = np.concatenate([w.row.boxes for w in wholes]).astype(np.float64)

    def numbers(times: TimeArray, seconds: float) -> FrameArray:
        """Frames, where the first picture with somebody was ``seconds`` into the file."""
        return np.asarray(np.rint((times - began + seconds) * fps) + 1, np.int32)

    def fit(seconds: float) -> int:
        moved = Boxes(numbers(times, seconds).astype(np.int64), labels, boxes)
        return len(compare({camera: truth}, {camera: moved}).matched())

    began = times.min()
    best = max(np.arange(0, LATEST_START, 0.5 / fps).tolist(), key=fit)
    read = np.unique(numbers(times, best))
    print(f"{camera}: {len(read)} frames from {read[0]} ({best:.2f} s into the file) to {read[-1]}")
    rows = [replace(w.row, frames=numbers(w.row.times, best)) for w in wholes]
    return (
        [replace(w, row=row) for w, row in zip(wholes, rows, strict=True)],
        replace(truth, people=truth.people.keep(np.isin(truth.people.frames, read))),
    )


if __name__ == "__main__":
    main()
