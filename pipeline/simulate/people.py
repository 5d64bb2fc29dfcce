"""Who walks through a simulated site: appearance drawn from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from pipeline.simulate.rng import stream

# sRGB, 0-255. Clothes as shops sell them: many dark and grey, few loud.
COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (30, 30, 33),
    "charcoal": (66, 68, 74),
    "grey": (126, 128, 132),
    "white": (226, 226, 222),
    "beige": (198, 178, 146),
    "brown": (104, 70, 46),
    "navy": (34, 44, 84),
    "blue": (46, 86, 166),
    "sky": (126, 172, 214),
    "teal": (28, 118, 124),
    "green": (40, 116, 62),
    "olive": (98, 100, 56),
    "yellow": (222, 184, 52),
    "orange": (218, 112, 40),
    "red": (184, 38, 44),
    "maroon": (104, 26, 42),
    "pink": (224, 142, 166),
    "purple": (104, 62, 140),
}
SKINS = ((241, 205, 178), (222, 176, 142), (190, 138, 100), (140, 94, 64), (92, 60, 42))
HAIRS: dict[str, tuple[int, int, int]] = {
    "black": (26, 22, 22),
    "brown": (74, 48, 32),
    "blond": (196, 158, 96),
    "red": (140, 66, 32),
    "grey": (150, 148, 146),
}
PATTERNS = ("plain", "hoops", "pinstripes", "checks", "block", "print", "open")
HAIR_STYLES = ("bald", "short", "bob", "long", "ponytail", "bun", "afro")
TOPS = ("shirt", "jacket", "coat")
SLEEVES = ("short", "long")
BOTTOMS = ("trousers", "wide trousers", "shorts", "skirt", "long skirt")
BAGS = ("none", "backpack", "shoulder bag", "hand bag", "tote")
HATS = ("none", "cap", "beanie", "brim")

# What tells two people apart at a glance counts whole; what one sees only close by, half.
_STRONG = ("upper_colour", "pattern", "top", "lower_colour", "bottom", "bag", "bag_colour")
_WEAK = ("second_colour", "sleeve", "hair", "hair_colour", "hat", "shoes")
MINIMUM_DIFFERENCE = 3.0


@dataclass(frozen=True)
class Person:
    """One person's looks. Colours are keys of `COLOURS` (`hair_colour` of `HAIRS`).

    `height` is in metres; `girth` and `shoulders` are factors on the average body;
    `speed` is the usual walking speed in m/s.
    """

    number: int
    height: float
    girth: float
    shoulders: float
    skin: tuple[int, int, int]
    hair: str
    hair_colour: str
    hat: str
    top: str
    pattern: str
    upper_colour: str
    second_colour: str
    sleeve: str
    bottom: str
    lower_colour: str
    shoes: str
    bag: str
    bag_colour: str
    speed: float
    seed: int


def difference(a: Person, b: Person) -> float:
    """How many visible attributes differ (weak ones count half)."""
    strong = sum(getattr(a, name) != getattr(b, name) for name in _STRONG)
    weak = sum(getattr(a, name) != getattr(b, name) for name in _WEAK)
    return float(strong + 0.5 * weak)


def sample_people(seed: int, number: int, first: int = 1) -> list[Person]:
    """Draws `number` people, numbered from `first`.

    They share few upper-body colours (at least a third have a partner in the same colour), yet
    any two differ by `MINIMUM_DIFFERENCE` attributes.
    """
    rng = stream(seed, "people", first)
    names = list(COLOURS)
    uppers = [names[i] for i in rng.permutation(len(names))[: max(1, number // 2)]]
    people: list[Person] = []
    for n in range(number):
        # Walking round the small palette gives nearly everybody a partner in colour.
        upper = uppers[n % len(uppers)]
        for attempt in count():
            person = _sample(rng, first + n, upper)
            if _distinct(person, people, MINIMUM_DIFFERENCE - attempt // 200 * 0.5):
                people.append(person)
                break
    return people


def _distinct(person: Person, others: Sequence[Person], least: float) -> bool:
    return all(difference(person, other) >= least for other in others)


def _sample(rng: np.random.Generator, number: int, upper: str) -> Person:
    def pick(options: Sequence[str], weights: Sequence[float] | None = None) -> str:
        p = None if weights is None else np.asarray(weights) / np.sum(weights)
        return options[int(rng.choice(len(options), p=p))]

    names = list(COLOURS)
    tall = float(np.clip(rng.normal(1.72, 0.09), 1.52, 1.96))
    top = pick(TOPS, (5, 3, 2))
    pattern = pick(PATTERNS, (3, 2, 1.3, 1.6, 2, 2, 2 if top != "shirt" else 0))
    bottom = pick(BOTTOMS, (5, 2, 2 if top != "coat" else 0, 2, 1))
    bag = pick(BAGS, (4, 3, 2.5, 1.5, 2))
    return Person(
        number=number,
        height=tall,
        girth=float(np.clip(rng.normal(1.0, 0.14), 0.78, 1.4)),
        shoulders=float(np.clip(rng.normal(1.0, 0.06), 0.88, 1.14)),
        skin=SKINS[int(rng.integers(len(SKINS)))],
        hair=pick(HAIR_STYLES, (1, 5, 2, 3, 2, 1, 1)),
        hair_colour=pick(list(HAIRS), (4, 4, 2, 1, 1.5)),
        hat=pick(HATS, (6, 1.2, 1.2, 0.8)),
        top=top,
        pattern=pattern,
        upper_colour=upper,
        second_colour=pick([c for c in names if c != upper]),
        sleeve=pick(SLEEVES, (1, 1)) if top == "shirt" else "long",
        bottom=bottom,
        # Legs are mostly dark or denim, as on a street.
        lower_colour=pick(names, [3, 2, 2, 1, 2, 1.5, 3, 3] + [0.7] * (len(names) - 8)),
        shoes=pick(("black", "white", "brown", "red", "grey", "blue"), (4, 3, 2, 1, 1, 1)),
        bag=bag,
        bag_colour="none" if bag == "none" else pick([c for c in names if c != upper]),
        speed=float(rng.uniform(1.0, 1.6)),
        seed=int(rng.integers(2**31)),
    )
