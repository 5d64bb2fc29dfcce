from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import CamtrailError
from pipeline.evaluate import read_truth


def write(folder: Path, text: str, camera: str = "gate") -> Path:
    (folder / f"{camera}.gt.txt").write_text(text)
    return folder


def test_reads_boxes_and_ignored_regions(tmp_path: Path) -> None:
    write(tmp_path, "1,4,10,20,30.5,40,1,1,0.9\n\n2,4,11,20,30,40,0\n3,5,0,0,5,5\n")
    truth = read_truth(tmp_path, ["gate"])["gate"]
    assert truth.people.frames.tolist() == [1, 3]
    assert truth.people.ids.tolist() == [4, 5]
    assert truth.people.boxes.tolist() == [[10, 20, 40.5, 60], [0, 0, 5, 5]]
    assert truth.ignored.frames.tolist() == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,0,0,5,5,1\n1,2,3\n", "gate.gt.txt:2: 3 columns"),
        ("1,x,0,0,5,5,1\n", "gate.gt.txt:1: could not convert"),
        ("1,1,0,0,nan,5,1\n", "gate.gt.txt:1: a value is not a finite"),
        ("1,1,0,0,5,5,1\n1,1e19,0,0,5,5,1\n", "gate.gt.txt:2: 1e19 is too large"),
        ("9007199254740993,1,0,0,5,5,1\n", "gate.gt.txt:1: 9007199254740993 is too large"),
        ("1,-1e300,0,0,5,5,1\n", "gate.gt.txt:1: -1e300 is too large"),
        ("1,1,0,0,1e300,5,1\n", "gate.gt.txt:1: 1e300 is too large"),
        ("0,1,0,0,5,5,1\n", "gate.gt.txt:1: frame and id are whole numbers"),
        ("1,1.5,0,0,5,5,1\n", "gate.gt.txt:1: frame and id are whole numbers"),
        ("1,1,0,0,0,5,1\n", "gate.gt.txt:1: width and height"),
        ("1,1,0,0,5,5,1\n1,1,9,9,5,5,1\n", r"gate.gt.txt:2: id 1 is already in frame 1 \(line 1\)"),
        ("", "no file holds a row that counts"),
        ("1,1,0,0,5,5,0\n", "no file holds a row that counts"),
    ],
)
def test_names_the_row_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CamtrailError, match=message):
        read_truth(write(tmp_path, text), ["gate"])


def test_the_largest_numbers_are_read_exactly(tmp_path: Path) -> None:
    most = 2**53 - 1
    people = read_truth(write(tmp_path, f"{most},{-most},0,0,5,5,1\n"), ["gate"])["gate"].people
    assert (people.frames.tolist(), people.ids.tolist()) == ([most], [-most])


def test_a_camera_may_have_seen_nobody(tmp_path: Path) -> None:
    write(tmp_path, "1,1,0,0,5,5,1\n")
    write(tmp_path, "", "hall")
    truth = read_truth(tmp_path, ["gate", "hall"])
    assert [len(camera.people) for camera in truth.values()] == [1, 0]


def test_names_the_camera_without_truth(tmp_path: Path) -> None:
    write(tmp_path, "1,1,0,0,5,5,1\n")
    with pytest.raises(CamtrailError, match="truth of camera 'hall' is missing"):
        read_truth(tmp_path, ["gate", "hall"])


def test_names_the_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="no such folder"):
        read_truth(tmp_path / "nothing", ["gate"])


def test_refuses_what_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "gate.gt.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(CamtrailError, match="cannot be read"):
        read_truth(tmp_path, ["gate"])
