"""Who sees people clearly, and who does not: pictures, live view and clips by role."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image as Pillow

from pipeline.bus import EmbeddedServer, Preview
from pipeline.camera.preview import PreviewSender
from pipeline.config import Privacy, Site, load_site
from pipeline.privacy.crops import encode
from pipeline.records import Frame, Image
from pipeline.viewer.access.roles import Role
from pipeline.viewer.app import create_app
from pipeline.viewer.live import Watcher, _shown
from tests.pipeline import stored_site
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.viewer.conftest import API

PASSWORD = "correct horse battery"
ROLES = ("viewer", "operator", "administrator")


def noise(height: int, width: int, seed: int = 0) -> Image:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height // 5, width // 5, 3), np.uint8).repeat(5, 0).repeat(5, 1)


def detail(image: Image) -> float:
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


def site_of(folder: Path, **privacy: Any) -> Site:
    """Of noise: what is hidden is seen by its want of detail."""
    site = stored_site.create(folder)
    stored_site.fill(site, folder)
    with av.open(str(folder / "gate.mp4"), "w") as container:
        options = {"crf": "14", "preset": "ultrafast"}
        stream = container.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 200, 120, "yuv420p"
        for number in range(stored_site.FRAMES):
            picture = av.VideoFrame.from_ndarray(noise(120, 200, number), format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    for number, path in enumerate(sorted(site.crops_dir.rglob("*.jpg"))):
        path.write_bytes(encode(noise(160, 80, number), [(0.2, 0, 0.8, 0.25)], "faces", False))
    settings = json.loads((folder / "site.yaml").read_text())
    settings |= {"privacy": privacy, "recording": {"enabled": True, "before": 1, "after": 1}}
    (folder / "site.yaml").write_text(json.dumps(settings))
    return load_site(folder / "site.yaml")


class Viewers:
    """A client with a token of each role; ``None`` is the owner, who need not log in."""

    def __init__(self, site: Site, client: TestClient, users: bool) -> None:
        self.client = client
        self._tokens: dict[str, str] = {}
        access = client.app.state.viewer.access  # type: ignore[attr-defined]
        for role in reversed(ROLES) if users else ():
            access.users.add(role, PASSWORD, Role(role))
            self._tokens[role] = access.tokens.add(role, "test", None, 1)[1]

    def get(self, path: str, role: str | None) -> Any:
        headers = {"Authorization": f"Bearer {self._tokens[role]}"} if role else {}
        answer = self.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer

    def crop(self, role: str | None) -> tuple[Image, str]:
        answer = self.get(f"{API}/crops/1/1", role)
        picture = Pillow.open(io.BytesIO(answer.content)).convert("RGB")
        return np.asarray(picture), answer.headers["cache-control"]

    def clip(self, role: str | None) -> tuple[dict[str, Any], list[Image]]:
        """Of person 3 in the gate: pictures 31 to 80."""
        visits = self.get(f"{API}/identities/3/visits", role).json()["visits"]
        piece = self.get(f"{API}/visits/{visits[0]['tracklet']}/footage", role).json()["pieces"][0]
        data = self.get(piece["clip"], role).content
        with av.open(io.BytesIO(data)) as container:
            return piece, [
                np.asarray(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)
            ]


@pytest.fixture
def viewers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Viewers]:
    privacy, users = request.param
    site = site_of(tmp_path, **privacy)
    with TestClient(create_app(site), "http://localhost") as client:
        yield Viewers(site, client, users)


HEAD, BODY = (slice(4, 36), slice(20, 60)), (slice(60, 150), slice(5, 75))


@pytest.mark.parametrize(
    "viewers", [({"blur": "faces", "clear_for": "operator"}, True)], indirect=True
)
def test_a_role_decides_who_sees_a_face(viewers: Viewers) -> None:
    for role in ROLES:
        picture, kept = viewers.crop(role)
        assert (detail(picture[HEAD]) < 4) is (role == "viewer"), role
        assert detail(picture[BODY]) > 10
        assert kept == "no-store"  # somebody else may log in to this browser
        page = viewers.get("/live", role).text
        assert ("faces hidden" in page) is (role == "viewer"), role
        _, pictures = viewers.clip(role)
        assert (detail(head_of_3(pictures, 50)) < 6) is (role == "viewer"), role
    lines = viewers.get(f"{API}/audit", "administrator").json()["lines"]
    saw = {(line["author"], line["action"]) for line in lines}
    assert ("operator", "saw people clearly") in saw
    assert ("viewer", "saw pictures") in saw
    assert ("viewer", "saw people clearly") not in saw


@pytest.mark.parametrize("viewers", [({"blur": "persons"}, False)], indirect=True)
def test_what_nobody_may_see_the_owner_does_not_see_either(viewers: Viewers) -> None:
    picture, kept = viewers.crop(None)
    assert detail(picture[HEAD]) < 4
    assert detail(picture[BODY]) < 4
    assert "max-age" in kept
    piece, pictures = viewers.clip(None)
    assert piece["end"] - piece["start"] <= 10.0
    first = round((piece["start"] - stored_site_start()) * 10)
    for number in (35, 50, 65, 79):
        image = pictures[number - 1 - first]
        assert detail(box(image, 3, number)) < 6, number
        assert detail(image[:, :40]) > 10
    together = pictures[74 - first]
    assert detail(box(together, 2, 75)) < 6  # the others in the picture as well


@pytest.mark.parametrize("viewers", [({"blur": "faces", "in": ["clips"]}, False)], indirect=True)
def test_where_it_is_not_wanted_nobody_is_hidden(viewers: Viewers) -> None:
    picture, _ = viewers.crop(None)
    assert detail(picture[HEAD]) > 10
    _, pictures = viewers.clip(None)
    assert detail(head_of_3(pictures, 50)) < 6


@pytest.mark.parametrize("viewers", [({"blur": "persons"}, False)], indirect=True)
def test_a_clip_is_made_once_however_it_is_asked_for(
    viewers: Viewers, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    from pipeline.viewer import blurring

    real = blurring.blurred_clip
    monkeypatch.setattr(blurring, "blurred_clip", lambda *a: made.append(1) or real(*a))
    piece, _ = viewers.clip(None)
    whole = viewers.client.get(piece["clip"]).content
    part = viewers.client.get(piece["clip"], headers={"Range": "bytes=10-99"})
    assert part.content == whole[10:100]
    assert made == [1]


def stored_site_start() -> float:
    return 1_767_600_000.0


def box(image: Image, person: int, number: int) -> Image:
    x, y = 20 + 40 * person, round(10 + number / 10)
    return image[y + 2 : y + 68, x + 2 : x + 28]


def head_of_3(pictures: list[Image], number: int) -> Image:
    """In a clip that begins with the file: it has one key frame."""
    return box(pictures[number - 1], 3, number)[:14]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    site = stored_site.create(tmp_path)
    server = EmbeddedServer(site)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("privacy", "hidden", "clear"),
    [
        ({"blur": "none"}, 0, False),
        ({"blur": "faces"}, 1, False),
        ({"blur": "persons"}, 2, False),
        ({"blur": "persons", "clear_for": "administrator"}, 2, True),
        ({"blur": "persons", "in": ["crops"]}, 0, False),
    ],
)
def test_what_leaves_the_worker(
    tmp_path: Path, server: EmbeddedServer, privacy: dict[str, Any], hidden: int, clear: bool
) -> None:
    """Where nobody may see people clearly, no clear picture of them leaves it. Large pictures are
    made smaller, and boxes with them.
    """
    site = load_site(tmp_path / "site.yaml").model_copy(
        update={"privacy": Privacy.model_validate(privacy)}
    )
    image = noise(600, 1920)
    people = np.array([[400, 100, 500, 400], [1000, 100, 1100, 400]], np.float32)
    with (
        closing(PreviewSender(site, "gate", stored_site.RUN)) as sender,
        closing(Watcher(site, ["gate"])) as watcher,
    ):
        found: list[Preview] = []

        def arrived() -> bool:
            if sender.watched:
                frame = Frame("gate", 1, 1000.0, image)
                sender.offer(frame, {7: people[0]}, people if site.privacy.blur != "none" else None)
            found.extend(watcher.read())
            return bool(found)

        assert wait_for(arrived, 20)
    sent = np.asarray(Pillow.open(io.BytesIO(found[0].jpeg)))
    assert sent.shape == (300, 960, 3)
    for x in (200, 500):
        head, legs = sent[52:80, x + 4 : x + 46], sent[140:195, x + 4 : x + 46]
        assert (detail(head) < 5) is (hidden >= 1)
        assert (detail(legs) < 5) is (hidden == 2)
    assert (found[0].clear is not None) is clear
    if found[0].clear:
        assert detail(np.asarray(Pillow.open(io.BytesIO(found[0].clear)))[140:195, 204:246]) > 10
        images = [base64.b64decode(_shown(found[0], {}, {}, may)["image"]) for may in (False, True)]
        assert images == [found[0].jpeg, found[0].clear]
