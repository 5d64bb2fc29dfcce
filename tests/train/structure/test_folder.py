"""Structure maps on disk: what is written is read, and what is wrong is told of."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from train.data import Sample
from train.errors import TrainError
from train.structure.folder import TURNS, StructureMaps, angle, write_maps

SAMPLE = Sample(Path("0001_c1s1_000001_01.jpg"), 1, 1)


def written(folder: Path, name: str = SAMPLE.path.stem) -> Path:
    write_maps(folder, name, [np.full((8, 4), 10 * turn // 45, np.uint8) for turn in TURNS])
    return folder


def test_written_maps_are_read(tmp_path: Path) -> None:
    maps = StructureMaps(written(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000", "045", "090", "135", "180", "225", "270", "315",
    ]  # fmt: skip
    for number, turn in enumerate(TURNS):
        read = maps.read(SAMPLE, turn, 16, 12)
        assert read.shape == (1, 16, 12)
        torch.testing.assert_close(read, torch.full((1, 16, 12), 10 * number / 255))


def test_maps_of_other_tools(tmp_path: Path) -> None:
    """In colour, of any size; black is where there is no body."""
    written(tmp_path)
    picture = np.zeros((40, 20, 3), np.uint8)
    picture[:20] = 255
    Image.fromarray(picture).save(tmp_path / "090" / f"{SAMPLE.path.stem}.png")
    read = StructureMaps(tmp_path).read(SAMPLE, 90, 8, 4)
    assert (read[:, :4] == 1).all()
    assert (read[:, 4:] == 0).all()


def test_images_without_maps_are_parted(tmp_path: Path) -> None:
    other = SAMPLE._replace(path=Path("0002_c1s1_000001_01.jpg"))
    maps = StructureMaps(written(tmp_path))
    assert maps.split([SAMPLE, other]) == ([SAMPLE], [other])
    write_maps(tmp_path, other.path.stem, [np.zeros((8, 4), np.uint8)] * 8)
    (tmp_path / "315" / f"{other.path.stem}.png").unlink()
    assert StructureMaps(tmp_path).split([SAMPLE, other]) == ([SAMPLE], [other])


def test_the_fingerprint_is_of_the_maps(tmp_path: Path) -> None:
    first, again = written(tmp_path / "a"), written(tmp_path / "b")
    assert StructureMaps(first).fingerprint() == StructureMaps(again).fingerprint()
    written(again, "another")
    assert StructureMaps(first).fingerprint() != StructureMaps(again).fingerprint()


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"no folder of structure maps: 000, .* missing; make one"):
        StructureMaps(tmp_path)
    written(tmp_path)
    shutil.rmtree(tmp_path / "045")
    with pytest.raises(TrainError, match="structure maps: 045 missing"):
        StructureMaps(tmp_path)
    (tmp_path / angle(45)).mkdir()
    with pytest.raises(TrainError, match="no image has maps in all of the 8 folders"):
        StructureMaps(tmp_path)


def test_maps_that_do_not_fit(tmp_path: Path) -> None:
    maps = StructureMaps(written(tmp_path))
    with pytest.raises(TrainError, match="has maps of other images than these: none is called 7"):
        maps.split([SAMPLE._replace(path=Path("7.jpg"))])
    with pytest.raises(TrainError, match=r"1 of them occur twice, such as 0001_c1s1_000001_01;"):
        maps.split([SAMPLE, SAMPLE._replace(path="elsewhere" / SAMPLE.path)])
    (tmp_path / "135" / f"{SAMPLE.path.stem}.png").write_bytes(b"no picture")
    with pytest.raises(TrainError, match=r"135.*: not a readable structure map"):
        maps.read(SAMPLE, 135, 8, 4)
