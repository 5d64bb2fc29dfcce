"""A matcher that runs deletes what is too old and nobody else's."""

from __future__ import annotations

import time
from pathlib import Path

from pipeline.bus import EmbeddedServer, Keys, connect
from pipeline.config import Retention, Site
from pipeline.matcher.service import run_matcher
from pipeline.store.recordings import Recordings
from tests.pipeline.matcher.test_service import running, until

DAY = 86_400.0


def test_what_has_no_process_of_its_own_goes(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    now = time.time()
    recordings = Recordings(site.recordings_dir, "cellar")
    for days in (30, 1):
        partial = recordings.begin(now - days * DAY)
        partial.write_bytes(b"video")
        recordings.finish(partial, now - days * DAY, now - days * DAY + 2)
        recordings.keep(recordings.undecided()[-1])
    keys = Keys(site.site)
    client = connect(site)
    for days in (9, 1):
        client.xadd(keys.dead_letters, {"r": "x"}, id=f"{int((now - days * DAY) * 1000)}-0")
    limited = site.model_copy(update={"retention": Retention(dead_letters_days=7)})  # type: ignore[call-arg]
    with running(run_matcher, limited):
        until(lambda: len(recordings.kept()) == 1 and client.xlen(keys.dead_letters) == 1)
    (kept,) = recordings.kept()
    assert kept.start > now - 2 * DAY
    client.close()
