"""What a scrape says, for tests."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families


class Series(NamedTuple):
    """A sample, ``labels`` as pairs in order."""

    name: str
    labels: tuple[tuple[str, str], ...]


class Scrape:
    """The samples of one answer, without the prefix ``camtrail_``."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = {
            Series(s.name.removeprefix("camtrail_"), tuple(sorted(s.labels.items()))): s.value
            for family in self.families
            for s in family.samples
        }

    def sum(self, name: str, **labels: str) -> float:
        """Over all series of a name that have these labels."""
        return sum(self.all(name, **labels))

    def all(self, name: str, **labels: str) -> list[float]:
        """The values of all series of a name that have these labels."""
        return [
            value
            for series, value in self.samples.items()
            if series.name == name and labels.items() <= dict(series.labels).items()
        ]


def fetch(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def scrape(address: str) -> Scrape:
    return Scrape(fetch(address))


def wait_scraped(address: str, condition: Callable[[Scrape], bool], seconds: float) -> bool:
    """Whether what is scraped comes to be so in time."""
    deadline = time.monotonic() + seconds
    while not condition(scrape(address)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True
