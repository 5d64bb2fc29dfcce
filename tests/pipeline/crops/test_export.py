"""`camtrail crops export`: from a real store to a data set that the training reads."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import Site, load_site
from pipeline.crops import Labels, Selection, export
from pipeline.errors import CamtrailError
from pipeline.records import Assignment, Decision, TrackletKey, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, Said, Store, Verdict
from train.data import open_data
from train.data.dataset import identities

START = 1_767_600_000.0  # 2026-01-05T08:00:00Z
RUNS = ("01JGTESTRUN000000000000001", "01JGTESTRUN000000000000002")
CROPS = 3  # of each tracklet
PEOPLE = 8  # each once in gate and twice in lobby, but for the last: in gate only


def update(key: TrackletKey, person: int, seq: int) -> TrackletUpdate:
    start = START + 100 * person + (0 if key.camera == "gate" else 50)
    end = start + 2 * seq
    frame = round(end - START) * 10
    picture = np.full((64, 32, 3), (30 * person % 255, 60, 20 * seq), np.uint8)
    return TrackletUpdate(
        camera=key.camera,
        run=key.run,
        track=key.track,
        seq=seq,
        start=start,
        end=end,
        path=TrackPath.of([(end, frame, (1, 1, 30, 60))]),
        crops=seq,
        quality=0.5 * seq,
        embedding=np.eye(8, dtype=np.float32)[person % 8],
        fingerprint="f" * 32,
        thumbnail=cv2.imencode(".jpg", picture)[1].tobytes(),
        thumbnail_quality=(0.3, 0.9, 0.6)[seq - 1],
        ended=seq == CROPS,
    )


def verdict(key: TrackletKey, identity: int, new: bool) -> Verdict:
    decision = Decision.NEW if new else Decision.MATCHED
    assignment = Assignment(key, identity, decision, math.nan, math.nan, START)
    return Verdict(key, START, assignment, None, {})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    cameras = {name: {"source": f"{name}.mp4"} for name in ("lobby", "gate")}
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.yaml").write_text(json.dumps({"site": "small", "cameras": cameras}))
    return load_site(folder / "site.yaml")


@pytest.fixture
def filled(site: Site) -> Site:
    """The store of `PEOPLE`; besides there is a tracklet that is not decided."""
    updates, verdicts = [], []
    for person in range(1, PEOPLE + 1):
        keys = [TrackletKey("gate", RUNS[0], person)]
        if person < PEOPLE:
            keys += [TrackletKey("lobby", run, person) for run in RUNS]
        for key in keys:
            updates += [update(key, person, seq) for seq in range(1, CROPS + 1)]
            verdicts.append(verdict(key, person, key is keys[0]))
    updates += [update(TrackletKey("gate", RUNS[0], 99), 9, seq) for seq in range(1, CROPS + 1)]
    with Store.open(site.store_url, crops=site.crops_dir, keep=4) as store:
        received = [Received(u, u.end) for u in updates]
        store.commit(Batch(received, [], Outcome(START + 1000, verdicts=verdicts)))
    return site


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "crops.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.jpg")}


def test_the_training_reads_what_was_exported(filled: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = export(filled, out, Selection(test=0.3))
    data = open_data(str(out))
    assert (data.kind, data.version, data.left_out) == ("crops", "labels matched", [])
    held = identities(data.query)
    assert len(held) == 2  # three tenths of the seven whom both cameras saw
    assert PEOPLE not in held
    assert identities(data.gallery) == held
    assert identities(data.train) == set(range(1, PEOPLE + 1)) - held
    assert len(data.gallery) == 2 * 3 * CROPS
    assert len(data.query) == 2 * 2  # a query for each camera
    assert {s.camera for s in data.query} == {1, 2}
    assert len(data.train) == 5 * 3 * CROPS + CROPS
    assert len({s.tracklet for s in data.train}) == 5 * 3 + 1
    assert summary.parts["bounding_box_train"].tracklets == 16
    assert summary.unlabelled == CROPS
    assert summary.labels == {"matched": (7 * 3 + 1) * CROPS}


def test_the_table_and_the_names_say_where_each_crop_is_from(filled: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(filled, out, Selection())
    rows = table(out)
    assert {row["file"] for row in rows} == files(out)
    for row in rows:
        part, name = row["file"].split("/")
        key = row["tracklet"].split("/")
        assert key[0] == row["camera"]
        number = {"lobby": 1, "gate": 2}[row["camera"]]  # in the order of site.yaml
        assert row["camera_number"] == str(number)
        run = RUNS.index(key[1]) + 1
        person = int(row["identity"])
        frame = round(float(row["time"]) - START) * 10
        assert name.startswith(f"{person:04}_c{number}s{run}_{frame:06}_0")
        assert key[2] == str(person)
        assert row["label"] == "matched"
        assert row["encoder"] == "f" * 32
        picture = cv2.imread(str(out / part / name))
        assert abs(int(picture[..., 0].mean()) - 30 * person) < 4
        if part == "query":
            assert row["quality"] == "0.9000"
    said = json.loads((out / "dataset.json").read_text())
    assert (said["format"], said["version"], said["site"]) == ("camtrail crops", 1, "small")
    assert said["cameras"] == {"lobby": 1, "gate": 2}
    assert said["parts"]["query"]["images"] == len(list((out / "query").iterdir()))


def test_labels_of_people_are_told_from_those_of_the_matcher(filled: Site, tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match=r"69 have no label .* `camtrail confirm` makes"):
        export(filled, tmp_path / "none", Selection(Labels.CONFIRMED))
    assert not (tmp_path / "none").exists()
    with Store.open(filled.store_url, keep=4) as store:
        store.confirm(1, [], Said("ada", START, START))
        store.confirm(2, [TrackletKey("gate", RUNS[0], 2)], Said("ada", START, START))
        moved = [verdict(TrackletKey("lobby", RUNS[0], 1), 3, new=False)]
        store.commit(Batch([], [], Outcome(START, verdicts=moved)))
    confirmed = tmp_path / "confirmed"
    export(filled, confirmed, Selection(Labels.CONFIRMED, test=0))
    assert Counter(row["identity"] for row in table(confirmed)) == {"1": 3 * CROPS, "2": CROPS}
    matched = tmp_path / "matched"
    summary = export(filled, matched, Selection(Labels.MATCHED, test=0))
    assert summary.labels == {"confirmed": 4 * CROPS, "matched": 18 * CROPS}
    alone = tmp_path / "alone"
    export(filled, alone, Selection(Labels.TRACKLET, test=0))
    said = {row["tracklet"]: row["confirmed"] for row in table(alone)}
    assert said[f"gate/{RUNS[0]}/1"] == "1"  # beside the label, which is the tracklet's
    assert said[f"lobby/{RUNS[0]}/2"] == ""
    whose = {row["tracklet"]: (row["identity"], row["label"]) for row in table(matched)}
    assert whose[f"lobby/{RUNS[0]}/1"] == ("1", "confirmed")  # whatever the matcher says now
    assert whose[f"lobby/{RUNS[0]}/2"] == ("2", "matched")


def test_each_tracklet_for_itself(filled: Site, tmp_path: Path) -> None:
    summary = export(filled, tmp_path / "out", Selection(Labels.TRACKLET))
    assert set(summary.parts) == {"bounding_box_train"}
    assert summary.parts["bounding_box_train"].identities == 7 * 3 + 1 + 1
    data = open_data(str(tmp_path / "out"))
    assert (len(data.train), data.query, data.gallery) == (23 * CROPS, [], [])
    assert all(len({s.camera for s in data.train if s.identity == i}) == 1 for i in range(1, 24))


def test_what_is_asked_for(filled: Site, tmp_path: Path) -> None:
    first = START + 100  # the first person comes to the gate
    for number, (selection, images) in enumerate(
        (
            (Selection(cameras=("gate",)), 8 * CROPS),
            (Selection(min_quality=0.5), 22 * 2),
            (Selection(since=first + 200), 16 * CROPS),
            (Selection(until=first + 3), 1),
            (Selection(since=first + 2, until=first + 6), 2),
        )
    ):
        out = tmp_path / str(number)
        summary = export(filled, out, selection)
        rows = [row for row in table(out) if not row["file"].startswith("query")]
        assert len(rows) == images
        assert summary.unwanted + summary.unlabelled + images == 23 * CROPS
    with pytest.raises(CamtrailError, match="69 are of other cameras or times"):
        export(filled, tmp_path / "out", Selection(since=START + 1e6))
    with pytest.raises(CamtrailError, match="there is no camera 'cellar'; there are: lobby, gate"):
        export(filled, tmp_path / "out", Selection(cameras=("cellar",)))


def test_the_same_people_are_held_out_as_the_store_grows(filled: Site, tmp_path: Path) -> None:
    held = []
    for number, until in enumerate((START + 550, None)):  # five people, then all
        export(filled, tmp_path / str(number), Selection(until=until, test=0.45))
        held.append(identities(open_data(str(tmp_path / str(number))).query))
    assert len(held[0]) == 2
    assert len(held[1]) == 3
    assert held[0] & held[1]


def test_an_export_is_whole_or_not_at_all(
    filled: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "here" / "out"
    out.mkdir(parents=True)  # empty: that will do
    gone = next((filled.crops_dir).rglob("*.jpg"))
    gone.unlink()
    summary = export(filled, out, Selection())
    assert summary.missing >= 1
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    with pytest.raises(CamtrailError, match="exists and is not an empty folder"):
        export(filled, out, Selection())
    for path in filled.crops_dir.rglob("*.jpg"):
        path.unlink()
    with pytest.raises(CamtrailError, match="none of the 69 crops is left below"):
        export(filled, tmp_path / "here" / "again", Selection())
    (tmp_path / "file").write_text("")
    with pytest.raises(CamtrailError, match="cannot be written"):
        export(filled, tmp_path / "file" / "out", Selection())
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_without_a_store_or_crops(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="there is no store yet"):
        export(site, tmp_path / "out", Selection())
    Store.open(site.store_url).close()
    with pytest.raises(CamtrailError, match="the store has no crops yet"):
        export(site, tmp_path / "out", Selection())


def test_the_command_lines(filled: Site, tmp_path: Path) -> None:
    file = str(filled.data_dir.parent / "site.yaml")

    def call(*words: str) -> str:
        answer = CliRunner().invoke(app, [*words])
        if answer.exception is not None:
            raise answer.exception
        return answer.stdout

    said = json.loads(call("confirm", "1", file, "--by", "Ada", "--json"))
    assert said["by"] == "Ada"
    assert len(said["tracklets"]) == 3
    one = said["tracklets"][0]
    assert call("confirm", "1", file, "--by", "Ada", "--tracklet", one) == (
        "confirmed by Ada: identity 1 in 1 tracklets\n"
    )
    with pytest.raises(CamtrailError, match="7: expected CAMERA/RUN/TRACK"):
        call("confirm", "1", file, "--tracklet", "7")
    out = tmp_path / "out"
    options = ["--labels", "confirmed", "--min-quality", "0.5", "--camera", "gate"]
    data = json.loads(call("crops", "export", file, "--out", str(out), *options, "--json"))
    assert data["labels"] == {"confirmed": 2}
    assert data["parts"]["bounding_box_train"] == {"images": 2, "identities": 1, "tracklets": 1}
    text = call("crops", "export", file, "--out", str(tmp_path / "all"))
    assert "left out: 3 crops without a label of the kind 'matched'" in text
    assert "label confirmed: 9 crops\nlabel matched: 57 crops\n" in text
    text = call("crops", "export", file, "--out", str(tmp_path / "one"), "--labels", "tracklet")
    assert "no test part: too few identities were seen by several cameras" in text
    for words, message in (
        (["--labels", "guessed"], "--labels guessed: is one of confirmed, matched, tracklet"),
        (["--until", "soon"], "--until soon: expected a time such as"),
    ):
        with pytest.raises(CamtrailError, match=message):
            call("crops", "export", file, "--out", str(tmp_path / "no"), *words)
