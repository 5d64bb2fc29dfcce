"""Bytes that are nearly right, on everything that is read from others.

`python -m tests.fuzz` looks longer and deeper.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import targets

NAMES = (
    "wire", "preview", "request", "inference", "config", "truth", "picture", "encoder", "recording",
    "comparison",
)  # fmt: skip
ABSURD = (b"", b"\x00", b"\xff" * 8, b"-1", b"1e999", b"NaN", b"9" * 40, b"[" * 2000, b"\x85" * 9)

edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),  # where
        st.integers(0, 16),  # how many bytes are taken out there
        st.one_of(st.binary(max_size=8), st.sampled_from(ABSURD)),  # what comes in
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def all_targets(tmp_path_factory: pytest.TempPathFactory):
    return targets(tmp_path_factory.mktemp("fuzz"))


def test_all_targets_are_here(all_targets) -> None:
    assert tuple(all_targets) == NAMES


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(which=st.integers(0, 9), changes=edits)
def test_what_is_nearly_right_ends_in_the_readers_own_error(all_targets, name, which, changes):
    target = all_targets[name]
    data = target.samples[which % len(target.samples)]
    for where, length, new in changes:
        at = int(where * (len(data) + 1))
        data = data[:at] + new + data[at + length :]
    target(data)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "encoder"])
def test_the_samples_themselves_are_taken(all_targets, name) -> None:
    target = all_targets[name]
    for sample in target.samples:
        target.read(sample)
