"""A site with receivers, and a hand that writes what a matcher would."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Site, load_site
from pipeline.records import Assignment, Decision, TrackletKey, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, Said, Store, Verdict

RUN = "01JGVJ9ZZZZZZZZZZZZZZZZZZZ"
SECRET = "a secret of the test"
ABSENCE = 60.0


def write_site(folder: Path, notify: dict[str, Any]) -> Path:
    """``site.yaml`` of two cameras and these receivers."""
    cameras = {name: {"source": f"{name}.mp4"} for name in ("gate", "hall")}
    path = folder / "site.yaml"
    settings = {"absence": ABSENCE, **notify}
    path.write_text(json.dumps({"site": "shop", "cameras": cameras, "notify": settings}))
    return path


def site_of(folder: Path, **notify: Any) -> Site:
    """A site that tells a webhook at a port where nobody listens, unless said otherwise."""
    webhook = {"url": "http://127.0.0.1:9/", "secret": SECRET}
    return load_site(write_site(folder, notify or {"webhooks": {"guard": webhook}}))


class Matcher:
    """Commits tracklets and whose they are."""

    def __init__(self, site: Site) -> None:
        self.store = Store.open(site.store_url, crops=site.crops_dir)
        self._ends: dict[TrackletKey, float] = {}
        self._known: set[int] = set()
        self.now = 0.0

    def see(
        self, identity: int | None, start: float, seconds: float = 5.0, camera: str = "gate"
    ) -> TrackletKey:
        """Somebody's tracklet, decided when it has ended."""
        key = TrackletKey(camera, RUN, len(self._ends) + 1)
        end = start + seconds
        self._ends[key] = end
        update = TrackletUpdate(
            *key,
            seq=1,
            start=start,
            end=end,
            path=TrackPath.of([(start, 1, (0, 0, 9, 9)), (end, 2, (0, 0, 9, 9))]),
            crops=1,
            quality=1.0,
            embedding=np.eye(4, dtype=np.float32)[0],
            fingerprint="f",
            thumbnail=None,
            thumbnail_quality=0.5,
            ended=True,
        )
        self.now = max(self.now, end)
        self._commit([Received(update, end)], key, identity, None)
        return key

    def decide(self, key: TrackletKey, identity: int | None, former: int | None = None) -> None:
        """As repair does."""
        self._commit([], key, identity, former)

    def said(self) -> Said:
        return Said("ada", 7.0, self.now)

    def _commit(
        self, updates: list[Received], key: TrackletKey, identity: int | None, former: int | None
    ) -> None:
        assignment = None
        if identity is not None:
            new = identity not in self._known
            self._known.add(identity)
            decision = Decision.NEW if new else Decision.MATCHED
            assignment = Assignment(key, identity, decision, math.nan, math.nan, self.now)
        outcome = Outcome(self.now)
        if identity is not None or former is not None:
            outcome.verdicts.append(Verdict(key, self.now, assignment, former, {}))
        self.store.commit(Batch(updates, [], outcome, "f"))


@dataclass
class Hook:
    """An HTTP server that keeps what is posted to it."""

    url: str = ""
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)  # the next statuses; then 204
    location: str = ""

    @property
    def said(self) -> list[dict[str, Any]]:
        """What was taken, by what it says."""
        return [json.loads(body) for _, body in self.posts]


@contextmanager
def hook(port: int = 0) -> Iterator[Hook]:
    """A server that runs."""
    kept = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = kept.answers.pop(0) if kept.answers else 204
            if status < 300:
                kept.posts.append((dict(self.headers), body))
            self.send_response(status)
            if kept.location:
                self.send_header("Location", kept.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}/in?key=1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
