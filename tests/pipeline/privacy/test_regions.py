"""What is hidden is where it has to be, and cannot be brought back."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import DEMO_ENCODER, Encoder, Hidden
from pipeline.inference.encoder import EncoderRuntime
from pipeline.privacy.crops import own_face
from pipeline.privacy.regions import FACE_CELLS, GREY, hide, hide_all, regions
from pipeline.records import FloatArray, Image
from pipeline.simulate import CropOptions, simulated_crops
from pipeline.simulate.crops import Crop
from pipeline.simulate.skeleton import JOINTS

PEOPLE = 24
HEAD = [JOINTS.index(name) for name in ("nose", "left eye", "right eye", "left ear", "right ear")]


@functools.cache
def simulated() -> list[Crop]:
    options = CropOptions(
        seed=7402, train_identities=1, test_identities=PEOPLE, cameras=2, per_camera=2
    )
    return [crop for crop in simulated_crops(options) if crop.split != "train"]


def bgr(crop: Crop) -> Image:
    return np.ascontiguousarray(crop.image[..., ::-1])


def test_the_head_of_everybody_is_in_the_face() -> None:
    """Boxes are off as a detector's are, people stand, walk, are cut and seen from all sides."""
    outside = []
    for crop in simulated():
        height, width = crop.image.shape[:2]
        ((x1, _y1, x2, y2),) = own_face(bgr(crop))
        for x, y, _ in crop.joints[HEAD]:
            if 0 <= x < width and 0 <= y < height:
                outside.append(not (x1 * width <= x <= x2 * width and y <= y2 * height))
    assert len(outside) > 300
    assert not any(outside)


def test_a_face_is_no_more_than_it_has_to_be() -> None:
    ((x1, y1, x2, y2),) = regions(np.array([[100, 100, 160, 260]], np.float32), "faces")
    assert 0.2 * 160 < y2 - 100 < 0.35 * 160
    assert x1 < 100
    assert x2 > 160
    assert y1 < 100
    ((_, _, _, low),) = regions(np.array([[0, 0, 100, 110]], np.float32), "faces")
    assert low > 60  # somebody near, of whom the picture shows head and shoulders


def test_nobody_is_nothing() -> None:
    for what in ("none", "faces", "persons"):
        assert regions(np.empty((0, 4), np.float32), what).shape == (0, 4)
    assert regions(np.ones((3, 4), np.float32), "none").shape == (0, 4)
    picture = np.full((9, 9, 3), 7, np.uint8)
    np.testing.assert_array_equal(hide(picture, np.empty((0, 4), np.float32), "faces"), picture)


boxes = st.tuples(
    *[st.floats(-80, 200) for _ in range(2)], *[st.floats(0.5, 120) for _ in range(2)]
)


@given(
    st.lists(boxes, max_size=4), st.sampled_from(["faces", "persons"]), st.integers(0, 2**32 - 1)
)
def test_nothing_but_the_regions_changes_and_they_have_few_values(
    found: list[tuple[float, ...]], what: Hidden, seed: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (90, 120, 3), np.uint8)
    before = picture.copy()
    hidden = np.array([(x, y, x + w, y + h) for x, y, w, h in found], np.float32).reshape(-1, 4)
    shown = hide(picture, hidden, what)
    np.testing.assert_array_equal(picture, before)
    covered = np.zeros(picture.shape[:2], bool)
    for x1, y1, x2, y2 in hidden:  # cell by cell, in the order of rows
        rows = slice(max(0, int(np.floor(y1))), max(0, int(np.ceil(y2))))
        columns = slice(max(0, int(np.floor(x1))), max(0, int(np.ceil(x2))))
        covered[rows, columns] = True
    np.testing.assert_array_equal(shown[~covered], picture[~covered])
    if len(hidden) == 1:
        values = np.unique(shown[covered].reshape(-1, 3), axis=0)
        assert len(values) <= (1 if what == "persons" else FACE_CELLS[0] * FACE_CELLS[1])


def test_faces_with_the_same_means_become_the_same() -> None:
    """So nothing can tell which it was: each pixel of a cell, shuffled, is another face."""
    rng = np.random.default_rng(3)
    across, down = FACE_CELLS
    one = rng.integers(0, 256, (down * 16, across * 16, 3), np.uint8)
    other = one.copy()
    for row in range(down):
        for column in range(across):
            cell = other[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
            cell[:] = rng.permutation(cell.reshape(-1, 3)).reshape(cell.shape)
    whole = np.array([[0, 0, across * 16, down * 16]], np.float32)
    assert (one != other).mean() > 0.9
    np.testing.assert_array_equal(hide(one, whole, "faces"), hide(other, whole, "faces"))


def test_of_whole_persons_nothing_is_left() -> None:
    for crop in simulated()[:5]:
        assert (hide_all(bgr(crop)) == GREY).all()


def rank_1(embeddings: FloatArray, crops: list[Crop]) -> float:
    """Of each crop searched in the other camera: how often the nearest is of the same person."""
    identities = np.array([crop.identity for crop in crops])
    cameras = np.array([crop.camera for crop in crops])
    similarity = embeddings @ embeddings.T
    similarity[cameras[:, None] == cameras] = -np.inf
    return float((identities[similarity.argmax(1)] == identities).mean())


def test_an_encoder_knows_nobody_any_more() -> None:
    encoder = EncoderRuntime(Encoder(path=DEMO_ENCODER, device="cpu"), 1)
    crops = simulated()
    pictures = [bgr(crop) for crop in crops]
    clear = rank_1(encoder.embed(pictures), crops)
    hidden = rank_1(encoder.embed([hide_all(picture) for picture in pictures]), crops)
    faceless = rank_1(encoder.embed([_faceless(picture) for picture in pictures]), crops)
    assert clear > 0.8
    assert hidden < 2 / PEOPLE  # by chance 1 / PEOPLE
    assert faceless > 0.5  # clothes are still there: a face hidden is no person hidden


def _faceless(picture: Image) -> Image:
    height, width = picture.shape[:2]
    face = np.array(own_face(picture), np.float32) * ([width, height] * 2)
    return hide(picture, face, "faces")


def test_a_face_in_a_picture_is_unreadable() -> None:
    """Fine structure is gone: a chequered face has none of its frequencies left."""
    size = 60
    chequered = np.indices((size, size)).sum(0) % 2 * 255
    picture = np.repeat(chequered[..., None], 3, 2).astype(np.uint8)
    shown = hide(picture, np.array([[0, 0, size, size]], np.float32), "faces")
    assert cv2.Laplacian(picture, cv2.CV_64F).var() > 1e5
    assert cv2.Laplacian(shown, cv2.CV_64F).var() < 10
