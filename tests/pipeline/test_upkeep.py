"""`camtrail store` on real stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.alone import no_matcher
from pipeline.config import load_site
from pipeline.errors import CamtrailError
from pipeline.matcher.exclusive import MatcherRunsError
from pipeline.store.versions import LATEST
from tests.pipeline import stored_site
from tests.pipeline.test_correct import camtrail, told
from tests.postgresql import Server


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """``site.yaml`` of a site with three people."""
    stored_site.create(tmp_path)
    path = tmp_path / "site.yaml"
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        path.write_text(path.read_text().replace("{", f'{{"store": "{server.empty()}", ', 1))
    stored_site.fill(load_site(path), tmp_path)
    return path


def test_there_and_back(site: Path) -> None:
    facts = told("store", "info", site)
    assert (facts["version"], facts["latest"], facts["copies"]) == (LATEST, LATEST, [])
    before = told("identities", site)
    secret = load_site(site).store_url.partition("@")[0]
    assert camtrail("store", "downgrade", site, "--to", 2).startswith(
        f"version {LATEST} before, 2 now"
    )
    assert f"version 2; this program writes {LATEST}" in camtrail("store", "info", site)
    assert secret not in camtrail("store", "info", site)
    assert camtrail("store", "upgrade", site).startswith(f"version 2 before, {LATEST} now")
    assert camtrail("store", "upgrade", site) == f"version {LATEST} before, {LATEST} now\n"
    assert told("identities", site) == before
    copies = [Path(copy).name for copy in told("store", "info", site)["copies"]]
    names = ["camtrail.sqlite.version-2", f"camtrail.sqlite.version-{LATEST}"]
    assert copies == ([] if "postgresql" in site.read_text() else names)
    assert "written anew" in camtrail("store", "compact", site)
    assert told("identities", site) == before


def test_what_is_refused(site: Path, tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match=f"--to 9: there are versions 1 to {LATEST}"):
        camtrail("store", "downgrade", site, "--to", 9)
    with no_matcher(load_site(site)), pytest.raises(MatcherRunsError, match="another matcher"):
        camtrail("store", "compact", site)
    empty = tmp_path / "empty"
    empty.mkdir()
    stored_site.create(empty)
    with pytest.raises(CamtrailError, match="nothing is stored so far"):
        camtrail("store", "upgrade", empty / "site.yaml")
    assert "nothing is stored so far" in camtrail("store", "info", empty / "site.yaml")
