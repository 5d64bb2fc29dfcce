"""Clips in which everybody is hidden, picture by picture."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from pipeline.config import Hidden
from pipeline.privacy.clips import Presence, blurred_clip
from pipeline.records import Image, Path

FPS, WIDTH, HEIGHT, FRAMES = 10, 160, 120, 30
START = 1000.0


def scene(number: int) -> Image:
    """Noise, which no mosaic has; a new one in each picture."""
    return (
        np.random.default_rng(number)
        .integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3), np.uint8)
        .repeat(4, 0)
        .repeat(4, 1)
    )


def filmed() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "8", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(number), format="bgr24")))
        container.mux(stream.encode())
    return file.getvalue()


def shown(data: bytes) -> list[tuple[float, Image]]:
    with av.open(io.BytesIO(data)) as container:
        return [
            (frame.time, np.asarray(frame.to_ndarray(format="bgr24")))
            for frame in container.decode(video=0)
        ]


def walk(first: int, last: int) -> Path:
    """To the right by 4 pixels a picture."""
    points = [
        (START + n / FPS, n + 1, (10 + 4 * n, 20, 40 + 4 * n, 110)) for n in range(first, last + 1)
    ]
    return Path.of(points)


def detail(image: Image) -> float:
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


def box_at(number: int) -> tuple[slice, slice]:
    return slice(24, 106), slice(14 + 4 * number, 36 + 4 * number)


@pytest.mark.parametrize("what", ["faces", "persons"])
def test_everybody_is_hidden_in_the_picture_that_is_shown(what: Hidden) -> None:
    presence = Presence([walk(5, 24)], [(START - 1, START + 99)])
    found = shown(blurred_clip(filmed(), START, presence, what))
    assert [round(time * FPS) for time, _ in found] == list(range(FRAMES))
    for number, (_, image) in enumerate(found):
        rows, columns = box_at(number)
        head = image[24:40, columns] if number < 26 else image[24:40, :40]
        legs, beside = (
            image[90:106, columns],
            image[rows, 140:] if number < 20 else image[rows, :30],
        )
        there = 5 <= number <= 24
        assert (detail(head) < 6) is there, number
        assert (detail(legs) < 6) is (there and what == "persons") or number > 25
        assert detail(beside) > 10, number  # nobody else's business


def test_between_two_points_somebody_is_hidden_too() -> None:
    path = walk(5, 24)
    seldom = Path(path.times[::6], path.frames[::6], path.boxes[::6])
    presence = Presence([seldom], [(START - 1, START + 99)])
    for number, (_, image) in enumerate(shown(blurred_clip(filmed(), START, presence, "persons"))):
        if 5 <= number <= 23:
            assert detail(image[box_at(number)]) < 6, number


def test_a_clock_that_differs_a_little_hides_more() -> None:
    presence = Presence([walk(10, 12)], [(START - 1, START + 99)], slack=0.5)
    found = shown(blurred_clip(filmed(), START, presence, "persons"))
    hidden = [n for n, (_, image) in enumerate(found) if detail(image[box_at(11)]) < 6]
    assert hidden == list(range(5, 18))


def test_where_nobody_knows_nothing_is_shown() -> None:
    presence = Presence([], [(START + 1, START + 1.95)])
    for number, (_, image) in enumerate(shown(blurred_clip(filmed(), START, presence, "faces"))):
        assert (detail(image) < 3) is not (10 <= number <= 19), number


def test_a_path_of_one_point() -> None:
    presence = Presence([walk(3, 3)], [(START - 1, START + 99)], slack=0.0)
    assert presence.boxes(START + 0.3).tolist() == [[22, 20, 52, 110]]  # type: ignore[union-attr]
    assert presence.boxes(START + 0.9).tolist() == []  # type: ignore[union-attr]
    assert presence.boxes(START + 200) is None


def test_other_time_bases_and_odd_sizes() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(30000, 1001), options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 162, 122, "yuv420p"
        for number in range(12):
            image = np.full((122, 162, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    before = shown(file.getvalue())
    after = shown(blurred_clip(file.getvalue(), START, Presence([], [(0, 1e12)]), "faces"))
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=1e-3)
    for (_, one), (_, other) in zip(before, after, strict=True):
        assert abs(one.mean() - other.mean()) < 8  # it is coded twice
