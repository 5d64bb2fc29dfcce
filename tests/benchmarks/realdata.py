"""What each step of the matcher gains on real clips, as far as they have truth.

``python -m tests.benchmarks.realdata [--encoder NAME] [CLIP...]``

Each clip is run once by `camtrail run` with a public detector and encoder; its recording is then
replayed by the steps of `tests.benchmarks.steps`. ``pets`` is one scene cut into two cameras,
``campus`` and ``stadtmitte`` are one camera each, in which people are hidden and come back. The
encoder's file recommends no thresholds: "similarity alone" has those that are learned at first.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from pipeline.config import load_site
from pipeline.replay.file import Recording
from tests.benchmarks.real_footage import ENCODERS, real_data, write_site
from tests.benchmarks.recording import in_step, record
from tests.benchmarks.steps import HEADER, Recorded, replay, row, steps_of

CLIPS = {  # by camera the video, without its ending, under `video`
    "pets": {name: f"pets-two-cameras/{name}" for name in ("left", "right")},
    "campus": {"campus": "TUD-Campus"},
    "stadtmitte": {"stadtmitte": "TUD-Stadtmitte"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", metavar="CLIP", help=", ".join(CLIPS))
    parser.add_argument("--encoder", choices=sorted(ENCODERS), default=next(iter(ENCODERS)))
    options = parser.parse_args()
    for clip in options.clips or CLIPS:
        with tempfile.TemporaryDirectory() as folder:
            recorded = run(Path(folder), clip, options.encoder)
            print(f"{clip:24}{HEADER}")
            for step in steps_of(declared=False):
                print(row(step.name, [replay(recorded, step)]), flush=True)


def run(folder: Path, clip: str, encoder: str) -> Recorded:
    """Runs a clip, and gives all that its cameras said."""
    data = real_data()
    videos = {name: data / "video" / place for name, place in CLIPS[clip].items()}
    path = write_site(folder, data, encoder, {name: f"{v}.mp4" for name, v in videos.items()})
    for name, video in videos.items():
        shutil.copy(f"{video}.gt.txt", folder / f"{name}.gt.txt")
    record(path, folder / "recorded.camtrail")
    messages = in_step(Recording(folder / "recorded.camtrail").messages())
    return Recorded(load_site(path), folder, messages)


if __name__ == "__main__":
    main()
