"""Textures of the body's parts: what is painted on them, by height and by angle.

A texture is (rows, columns, 3) uint8 BGR; rows run from the top of the part to its bottom,
columns once around it: column 0 is the front, a quarter further the person's right side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.simulate.people import COLOURS, HAIRS, Person
from pipeline.simulate.rng import stream

Texture = npt.NDArray[np.uint8]

ROWS, COLUMNS = 64, 128
HEM = 0.80  # of the torso, from the shoulders down, that the upper garment covers


@dataclass(frozen=True)
class Wardrobe:
    """All textures of one person."""

    torso: Texture
    skirts: Texture  # what hangs below the waist: coat tails
    sleeve: Texture
    forearm: Texture
    thigh: Texture
    shank: Texture
    skirt: Texture
    head: Texture
    hair: Texture
    hat: Texture
    skin: Texture
    shoe: Texture
    bag: Texture


def bgr(colour: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    return np.asarray(colour[::-1], np.float32)


def dress(person: Person) -> Wardrobe:
    """Paints everything a person wears; the same person always gets the same textures."""
    rng = stream(person.seed, "wardrobe")
    upper, second = bgr(COLOURS[person.upper_colour]), bgr(COLOURS[person.second_colour])
    lower, skin = bgr(COLOURS[person.lower_colour]), bgr(person.skin)
    hair = bgr(HAIRS[person.hair_colour])
    bag = bgr(COLOURS.get(person.bag_colour, COLOURS["black"]))

    cloth = _pattern(person, upper, second, rng)
    torso = cloth.copy()
    _collar(torso, person, skin, second)
    torso[int(HEM * ROWS) :] = lower
    if person.top != "coat":
        torso[int(HEM * ROWS) : int(HEM * ROWS) + 2] = lower * 0.5  # belt
    _straps(torso, person, bag)

    arm = cloth if person.pattern in ("hoops", "checks", "pinstripes") else _flat(upper)
    if person.pattern == "block" and person.seed % 2:
        arm = _flat(second)
    bare_knees = person.bottom in ("shorts", "skirt")
    denim = _flat(lower)
    if person.bottom == "trousers" and person.seed % 5 == 0:
        denim[:, COLUMNS // 4 - 4 : COLUMNS // 4 + 5] = second  # side stripe
        denim[:, -COLUMNS // 4 - 4 : -COLUMNS // 4 + 5] = second
    thigh = denim.copy()
    if bare_knees:
        thigh[int(0.82 * ROWS) :] = skin
    sleeve = arm.copy()
    if person.sleeve == "short":
        sleeve[int(0.72 * ROWS) :] = skin
    hat = _flat(second if person.hat != "beanie" else bgr(COLOURS[person.shoes]))
    return Wardrobe(
        torso=_worn(torso, rng),
        skirts=_worn(cloth, rng),
        sleeve=_worn(sleeve, rng),
        forearm=_worn(_flat(skin) if person.sleeve == "short" else arm, rng),
        thigh=_worn(thigh, rng),
        shank=_worn(_flat(skin) if bare_knees else denim, rng),
        skirt=_worn(_skirt(person, lower, second), rng),
        head=_head(person, skin, hair),
        hair=_worn(_flat(hair), rng),
        hat=_worn(hat, rng),
        skin=_solid(skin),
        shoe=_solid(bgr(COLOURS[person.shoes])),
        bag=_worn(_bag(bag), rng),
    )


def _flat(colour: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.broadcast_to(colour, (ROWS, COLUMNS, 3)).astype(np.float32)


def _solid(colour: npt.NDArray[np.float32]) -> Texture:
    return colour.astype(np.uint8).reshape(1, 1, 3)


def _worn(cloth: npt.NDArray[np.float32], rng: np.random.Generator) -> Texture:
    """Adds folds: soft noise, stretched along the part."""
    folds = cv2.resize(rng.normal(0, 1, (7, 18)).astype(np.float32), (COLUMNS, ROWS))
    return np.asarray(np.clip(cloth * (1 + 0.07 * folds[..., None]), 0, 255), np.uint8)


def _pattern(
    person: Person,
    upper: npt.NDArray[np.float32],
    second: npt.NDArray[np.float32],
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:
    row, column = np.mgrid[:ROWS, :COLUMNS]
    angle = (column / COLUMNS + 0.5) % 1 - 0.5  # of a turn; 0 is the front
    cloth = _flat(upper)
    if person.pattern == "hoops":
        period = int(rng.choice([8, 12, 18]))
        cloth[row % period < period * 0.42] = second
    elif person.pattern == "pinstripes":
        period = int(rng.choice([8, 16]))
        cloth[column % period < period * 0.4] = second
    elif person.pattern == "checks":
        period = int(rng.choice([10, 16]))
        weight = (row % period < period / 2) * 0.5 + (column % 16 < 8) * 0.5
        cloth += (second - upper) * weight[..., None]
    elif person.pattern == "block":
        edge = float(rng.choice([0.3, 0.45, 0.55]))
        cloth[row < edge * ROWS if rng.random() < 0.6 else row > edge * ROWS] = second
    elif person.pattern == "print":
        wide, top, bottom = rng.uniform(0.08, 0.15), rng.uniform(0.14, 0.24), rng.uniform(0.4, 0.6)
        middle = (top + bottom) / 2
        r = np.hypot(angle / wide, (row / ROWS - middle) / (middle - top))
        cloth[r < 1 if rng.random() < 0.5 else np.abs(angle) / wide + (r > 1.3) < 1] = second
        if rng.random() < 0.5:  # large lettering on the back
            back = (np.abs(np.abs(angle) - 0.5) < 0.13) & (np.abs(row / ROWS - 0.3) < 0.07)
            cloth[back] = second
    elif person.pattern == "open":
        wide = rng.uniform(0.06, 0.12)
        cloth[np.abs(angle) < wide] = second
        cloth[np.abs(np.abs(angle) - wide) < 0.008] = upper * 0.6
    return cloth


def _collar(
    torso: npt.NDArray[np.float32],
    person: Person,
    skin: npt.NDArray[np.float32],
    second: npt.NDArray[np.float32],
) -> None:
    row, column = np.mgrid[:ROWS, :COLUMNS]
    angle = np.abs((column / COLUMNS + 0.5) % 1 - 0.5)
    if person.top == "shirt":
        torso[(row < 0.10 * ROWS) & (angle < 0.10 * (1 - row / (0.10 * ROWS)))] = skin
    else:  # lapels and a closing line
        torso[(row < 0.2 * ROWS) & (angle < 0.09 * (1 - row / (0.2 * ROWS)))] = second
        if person.pattern != "open":
            torso[angle < 0.008] *= 0.55


def _straps(torso: npt.NDArray[np.float32], person: Person, bag: npt.NDArray[np.float32]) -> None:
    row, column = np.mgrid[:ROWS, :COLUMNS]
    angle = (column / COLUMNS + 0.5) % 1 - 0.5
    if person.bag == "backpack":
        torso[(np.abs(np.abs(angle) - 0.11) < 0.022) & (row < 0.55 * ROWS)] = bag * 0.85
    elif person.bag == "shoulder bag":
        side = 1 if person.seed % 2 else -1
        front = np.abs(angle * side - (row / ROWS - 0.42) * 0.42) < 0.025
        turned = (angle * side + 1.0) % 1 - 0.5
        back = np.abs(turned + (row / ROWS - 0.42) * 0.42) < 0.025
        torso[(front | back) & (row < 0.82 * ROWS)] = bag * 0.85


def _skirt(
    person: Person, lower: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    skirt = _flat(lower)
    if person.seed % 3 == 0:
        skirt[int(0.8 * ROWS) : int(0.92 * ROWS)] = second
    elif person.seed % 3 == 1:
        skirt[:, np.arange(COLUMNS) % 10 < 2] *= 0.7  # pleats
    return skirt


def _head(person: Person, skin: npt.NDArray[np.float32], hair: npt.NDArray[np.float32]) -> Texture:
    row, column = np.mgrid[:ROWS, :COLUMNS] / np.array([ROWS, COLUMNS]).reshape(2, 1, 1)
    angle = np.abs((column + 0.5) % 1 - 0.5)
    head = _flat(skin)
    head[(np.abs(row - 0.52) < 0.035) & (np.abs(angle - 0.06) < 0.03)] *= 0.35  # eyes
    head[(np.abs(row - 0.80) < 0.02) & (angle < 0.05)] *= 0.6  # mouth
    if person.hair != "bald":
        sides, nape = (angle > 0.17) & (row < 0.62), (angle > 0.27) & (row < 0.85)
        head[(row < 0.30) | sides | nape] = hair
    if person.hair in ("bald", "short") and person.seed % 4 == 0:
        head[(row > 0.72) & (angle < 0.2)] = hair  # beard
    return head.astype(np.uint8)


def _bag(colour: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    bag = _flat(colour)
    bag[int(0.30 * ROWS) : int(0.34 * ROWS)] *= 0.5
    bag[int(0.55 * ROWS) : int(0.58 * ROWS)] *= 0.6
    return bag
