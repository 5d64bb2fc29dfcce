"""Where files are written before they are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.disk import partial_of
from pipeline.errors import CamtrailError


def test_beside_the_file() -> None:
    assert partial_of(Path("a/b.html")) == Path("a/b.html.partial")


@pytest.mark.parametrize("path", [".", "..", "/", "a/.."])
def test_a_path_that_is_no_name(path: str) -> None:
    with pytest.raises(CamtrailError, match=r"cannot be replaced; give a new name, as in .*NAME"):
        partial_of(Path(path))
