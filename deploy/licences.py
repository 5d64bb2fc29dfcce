"""The licences of everything that camtrail needs at run time, from the packages' own words.

``python deploy/licences.py`` prints a table; exit status 1 where one is not allowed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Each may be combined with the AGPL-3.0 that camtrail is under.
ALLOWED = {
    "0BSD",
    "BSL-1.0",
    "CC0-1.0",
    "AGPL-3.0",
    "Apache-2.0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "LGPL",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MPL-2.0",
    "PSF-2.0",
    "Unlicense",
    "Zlib",
}
# Used where they are, next to the driver, and no part of what we give away.
APART = {"NVIDIA"}
# Packages whose metadata do not say it in a way that could be read; looked up by hand.
KNOWN = {"cuda-toolkit": "NVIDIA"}

_WORDS = {  # how packages write it in free text and classifiers
    "agpl": "AGPL-3.0",
    "apache": "Apache-2.0",
    "nvidia": "NVIDIA",
    "mozilla public": "MPL-2.0",
    "mpl": "MPL-2.0",
    "lesser general": "LGPL",
    "lgpl": "LGPL",
    "hpnd": "MIT-CMU",
    "3-clause": "BSD-3-Clause",
    "bsd": "BSD",
    "mit": "MIT",
    "isc": "ISC",
    "python software foundation": "PSF-2.0",
    "psf": "PSF-2.0",
    "unlicense": "Unlicense",
    "zlib": "Zlib",
}


def main() -> int:
    refused = []
    for distribution in sorted(
        needed("camtrail", {"train", "traces"}), key=lambda d: d.name.lower()
    ):
        licences = licences_of(distribution)
        fine = licences and licences <= ALLOWED | APART
        refused += [] if fine else [distribution.name]
        said = " AND ".join(sorted(licences)) or "?"
        print(f"{distribution.name:28} {distribution.version:16} {said}")
    if refused:
        print(f"not allowed, or not known: {', '.join(refused)}", file=sys.stderr)
    return 1 if refused else 0


def needed(name: str, extras: set[str]) -> Iterator[metadata.Distribution]:
    """Every installed package that ``name`` needs on this machine, directly or not."""
    seen: set[tuple[str, str]] = set()
    given: set[str] = set()
    waiting = [(name, extra) for extra in ("", *extras)]
    while waiting:
        package, extra = waiting.pop()
        if (package, extra) in seen:
            continue
        seen.add((package, extra))
        distribution = metadata.distribution(package)
        if package != name and package not in given:
            given.add(package)
            yield distribution
        for line in distribution.requires or ():
            requirement = Requirement(line)
            environment = {**default_environment(), "extra": extra}
            if requirement.marker is None or requirement.marker.evaluate(environment):
                other = canonicalize_name(requirement.name)
                waiting += [(other, wanted) for wanted in ("", *requirement.extras)]


def licences_of(distribution: metadata.Distribution) -> set[str]:
    """The licences that hold together; of a choice (OR) the first that is allowed."""
    name = canonicalize_name(distribution.name)
    if name in KNOWN:
        return {KNOWN[name]}
    about = distribution.metadata
    if expression := about.get("License-Expression"):
        parts = [re.split(r"\s+OR\s+", part) for part in re.split(r"\s+AND\s+", expression)]
        return {next(filter(ALLOWED.__contains__, found), found[0]) for found in map(_plain, parts)}
    classifiers = [c for c in about.get_all("Classifier", []) if c.startswith("License ::")]
    texts = [c.rsplit("::", 1)[1] for c in classifiers if not c.endswith("OSI Approved")]
    return {word for text in texts or [about.get("License", "")] if (word := _word(text))}


def _plain(choices: list[str]) -> list[str]:
    """SPDX identifiers without what does not matter here."""
    bare = [re.sub(r"[()]|-only|-or-later|\s+WITH.*", "", choice).strip() for choice in choices]
    return [_word(choice) if "LicenseRef" in choice else choice for choice in bare]


def _word(text: str) -> str:
    first = text.strip().splitlines()[:1]
    lower = first[0].lower() if first else ""
    return next((name for word, name in _WORDS.items() if word in lower), lower[:40])


if __name__ == "__main__":
    sys.exit(main())
