"""Taking another encoder into use, on real stores, crops and encoder files."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import Site, load_site
from pipeline.encoders.current import Encoders
from pipeline.encoders.promote import Promotion, promote, rollback
from pipeline.encoders.reembed import change_over
from pipeline.errors import CamtrailError
from pipeline.inference.encoder import EncoderRuntime
from pipeline.keyring import Keyring, name_of
from pipeline.matcher.service import make_engine
from pipeline.privacy.crops import blurred
from pipeline.records import (
    Assignment,
    CameraState,
    Decision,
    FloatArray,
    Image,
    TrackletUpdate,
)
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, RunState, Store, Verdict
from reid_models import Description, InputSpec, build, load_encoder, save_encoder

RUN = "01JGTESTRUN000000000000000"
START = 1_767_600_000.0
PEOPLE = 5
Encoded = tuple[Path, EncoderRuntime]


def write_encoder(path: Path, seed: int, dimension: int) -> Encoded:
    import torch

    torch.manual_seed(seed)
    description = Description(
        input=InputSpec(height=64, width=32),
        dimension=dimension,
        architecture="stripenet",
        arguments={"dimension": dimension},
    )
    save_encoder(path, build("stripenet", dimension=dimension), description)
    from pipeline.config import Encoder

    return path, EncoderRuntime(Encoder(path=path), 1)  # type: ignore[call-arg]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoded, Encoded]:
    """An old encoder and a new one of another dimension."""
    folder = tmp_path_factory.mktemp("encoders")
    return write_encoder(folder / "old.safetensors", 1, 32), write_encoder(
        folder / "new.safetensors", 2, 48
    )


@pytest.fixture
def path(tmp_path: Path, files: tuple[Encoded, Encoded]) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(
        f"site: yard\nencoder: {{path: {files[0][0]}, device: cpu}}\n"
        "cameras: {gate: {source: gate.mp4}, yard: {source: yard.mp4}}\n"
    )
    return path


def picture(person: int) -> Image:
    rng = np.random.default_rng(person)
    coarse = rng.integers(0, 255, (6, 3, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (48, 96), interpolation=cv2.INTER_CUBIC), np.uint8)


def update(person: int, embedding: FloatArray, fingerprint: str, seq: int = 1) -> TrackletUpdate:
    jpeg = cv2.imencode(".jpg", picture(person), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    start = START + 10 * person
    return TrackletUpdate(
        camera="gate",
        run=RUN,
        track=person,
        seq=seq,
        start=start,
        end=start + seq,
        path=TrackPath.of([(start + seq, 10 * seq, (0, 0, 48, 96))]),
        crops=3,
        quality=2.0,
        embedding=embedding,
        fingerprint=fingerprint,
        thumbnail=jpeg.tobytes(),
        thumbnail_quality=0.6 + 0.1 * seq,
        ended=True,
    )


def fill(site: Site, runtime: EncoderRuntime, people: Sequence[int]) -> None:
    """A gallery of one tracklet a person, each of them somebody new."""
    received, verdicts = [], []
    for person, embedding in zip(people, runtime.embed([picture(p) for p in people]), strict=True):
        new = update(person, embedding, runtime.fingerprint)
        received.append(Received(new, new.end))
        assignment = Assignment(new.key, person, Decision.NEW, math.nan, math.nan, new.end)
        verdicts.append(Verdict(new.key, new.end, assignment, None, {"rule": "test"}))
    keys = [r.update.key for r in received]
    outcome = Outcome(
        max(r.update.end for r in received) + 100,
        calibration="[[7, 3]]",
        verdicts=verdicts,
        prototypes=dict.fromkeys(keys, True),
        closed=keys,
    )
    run = RunState("gate", RUN, 9, 9, 9, START + 1000, CameraState.RUNNING)
    with Store.open(site.store_url, crops=site.crops_dir) as store:
        store.commit(Batch(received, [run], outcome, runtime.fingerprint))


def comparison(tmp_path: Path, old: str, new: str, **changes: object) -> Path:
    gain = {"value": 0.1, "low": 0.05, "high": 0.15}
    facts: dict[str, Any] = {"format": 1, "data": "crops", "gain": gain, "better": True}
    facts |= {"old": {"fingerprint": old}, "new": {"fingerprint": new}}
    file = tmp_path / "comparison.json"
    file.write_text(json.dumps(facts | changes))
    return file


def quiet(_done: int, _total: int) -> None:
    pass


def force(path: Path, file: Path) -> Promotion:
    return promote(load_site(path), file, None, True, quiet)


def gallery(site: Site) -> dict[int, FloatArray]:
    """The prototype of each identity, as a matcher takes them up."""
    with Store.open(site.store_url) as store:
        return {p.identity: p.embedding for p in store.snapshot().prototypes}


def looks_like(embedding: FloatArray, person: int, runtime: EncoderRuntime) -> bool:
    """Whether it is of this person's crop, but for what JPEG changed."""
    similarities = runtime.embed([picture(p) for p in range(1, PEOPLE + 1)]) @ embedding
    return bool(similarities[person - 1] > 0.98 and np.argmax(similarities) == person - 1)


def test_everybody_keeps_their_identity(path: Path, files: tuple[Encoded, Encoded]) -> None:
    (_, old), (file, new) = files
    people = range(1, PEOPLE + 1)
    fill(load_site(path), old, people)
    before = gallery(load_site(path))
    done = force(path, file)
    assert (done.fingerprint, done.former) == (new.fingerprint, old.fingerprint)
    assert (done.reembedded.tracklets, done.reembedded.without_crops) == (PEOPLE, 0)
    change_over(load_site(path))
    after = gallery(load_site(path))
    assert sorted(after) == sorted(before) == list(people)
    assert all(looks_like(after[person], person, new) for person in people)
    with Store.open(load_site(path).store_url, read_only=True) as store:
        assert [p.identity for p in store.identities()] == list(people)
        assert store.fact("calibration") is None
        assert store.fact("fingerprint") == new.fingerprint


def test_back_to_the_former_encoder(path: Path, files: tuple[Encoded, Encoded]) -> None:
    (configured, old), (file, new) = files
    fill(load_site(path), old, [1, 2])
    before = gallery(load_site(path))
    force(path, file)
    change_over(load_site(path))
    fill(load_site(path), new, [3])
    done = rollback(load_site(path), quiet)
    assert (done.file, done.fingerprint) == (configured, old.fingerprint)
    assert done.reembedded.tracklets == 1  # of the others its embeddings were never lost
    change_over(load_site(path))
    after = gallery(load_site(path))
    for person in (1, 2):
        np.testing.assert_array_equal(after[person], before[person])
    assert looks_like(after[3], 3, old)
    with pytest.raises(CamtrailError, match="none to go back to"):
        rollback(load_site(path), quiet)


@pytest.mark.slow
def test_what_comes_while_it_embeds_is_embedded_by_the_matcher(
    path: Path, files: tuple[Encoded, Encoded]
) -> None:
    (_, old), (file, new) = files
    site = load_site(path)  # as workers and matcher had read it
    fill(site, old, [1])
    force(path, file)
    fill(site, old, [2])
    with Store.open(site.store_url, crops=site.crops_dir) as store:
        engine = make_engine(load_site(path), store)
    assert engine.inbox.fingerprint == new.fingerprint
    assert sorted(engine.timelines) == [1, 2]
    for person in (1, 2):
        (prototype,) = engine.gallery.prototypes(person).values()
        assert looks_like(prototype, person, new)


def test_encrypted_crops_are_embedded_and_those_that_hide_everybody_are_not(
    path: Path, files: tuple[Encoded, Encoded]
) -> None:
    (_, old), (file, new) = files
    site = load_site(path)
    fill(site, old, [1, 2, 3])
    crops = {p.key.track: p.file for p in Store.open(site.store_url, read_only=True).pictures()}
    keyring = Keyring([bytes(32)])
    for person, crop in crops.items():
        data = blurred(crop.read_bytes(), "persons") if person == 3 else crop.read_bytes()
        crop.write_bytes(keyring.seal(data, name_of(crop)))
    with pytest.raises(CamtrailError, match="names no key"):
        force(path, file)
    assert load_site(path).encoder.path == files[0][0]  # nothing has changed
    with path.open("a") as opened:
        opened.write(f"encryption: {{key: '{bytes(32).hex()}'}}\n")
    done = force(path, file)
    assert (done.reembedded.tracklets, done.reembedded.without_crops) == (2, 1)
    change_over(load_site(path))
    after = gallery(load_site(path))
    assert all(looks_like(after[person], person, new) for person in (1, 2))
    assert 3 not in after


def test_without_a_crop_the_identity_stays(path: Path, files: tuple[Encoded, Encoded]) -> None:
    (_, old), (file, _) = files
    site = load_site(path)
    fill(site, old, [1, 2, 3])
    crops = {p.key.track: p.file for p in Store.open(site.store_url, read_only=True).pictures()}
    crops[2].unlink()
    site.crops_dir.joinpath(crops[3]).write_bytes(b"no picture")
    done = force(path, file)
    assert (done.reembedded.tracklets, done.reembedded.without_crops) == (1, 2)
    change_over(load_site(path))
    assert list(gallery(site)) == [1]
    with Store.open(site.store_url, read_only=True) as store:
        assert [p.identity for p in store.identities()] == [1, 2, 3]


def test_only_what_is_better_is_taken(
    path: Path, tmp_path: Path, files: tuple[Encoded, Encoded]
) -> None:
    (_, old), (file, new) = files
    site, prints = load_site(path), (old.fingerprint, new.fingerprint)
    fill(site, old, [1])
    worse = comparison(tmp_path, *prints, better=False)
    with pytest.raises(CamtrailError, match=r"not better beyond doubt: its mAP .*\+0\.100"):
        promote(site, file, worse, False, quiet)
    by_tracklets = comparison(tmp_path, *prints, better=False, measure="consistency")
    with pytest.raises(CamtrailError, match="its consistency differs by"):
        promote(site, file, by_tracklets, False, quiet)
    with pytest.raises(CamtrailError, match="compares other files: its new encoder"):
        promote(site, file, comparison(tmp_path, prints[0], "0" * 32), False, quiet)
    with pytest.raises(CamtrailError, match="compares other files: its old encoder"):
        promote(site, file, comparison(tmp_path, "0" * 32, prints[1]), False, quiet)
    with pytest.raises(CamtrailError, match=r"camtrail-train compare .* --data CROPS"):
        promote(site, file, None, False, quiet)
    (tmp_path / "comparison.json").write_text("{}")
    with pytest.raises(CamtrailError, match="is no comparison"):
        promote(site, file, tmp_path / "comparison.json", False, quiet)
    with pytest.raises(CamtrailError, match=r"missing\.json: cannot be read"):
        promote(site, file, tmp_path / "missing.json", False, quiet)
    with pytest.raises(CamtrailError, match=r"missing\.safetensors"):
        promote(site, tmp_path / "missing.safetensors", None, True, quiet)
    assert not Encoders(site.data_dir).folder.exists()
    promote(site, file, comparison(tmp_path, *prints), False, quiet)
    with pytest.raises(CamtrailError, match="in use already"):
        promote(load_site(path), file, None, True, quiet)
    record = Encoders(site.data_dir).read()
    assert record is not None
    assert [(used.gain, used.measure) for used in record.used] == [(None, "mAP"), (0.1, "mAP")]


def test_the_file_may_be_deleted_once_it_is_promoted(
    path: Path, tmp_path: Path, files: tuple[Encoded, Encoded]
) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(files[1][0].read_bytes())
    force(path, file)  # with no gallery yet
    file.unlink()
    assert load_encoder(load_site(path).encoder.path).fingerprint == files[1][1].fingerprint


def test_an_export_is_kept_with_all_its_files(
    path: Path, tmp_path: Path, files: tuple[Encoded, Encoded]
) -> None:
    from train.export import export_encoder

    pytest.importorskip("openvino", reason="needs the extra openvino")
    folder = tmp_path / "exported"
    export_encoder(files[1][0], folder / "mine.xml")
    fingerprint = load_encoder(folder / "mine.xml").fingerprint
    force(path, folder / "mine.xml")
    shutil.rmtree(folder)
    kept = load_site(path).encoder.path
    assert load_encoder(kept).fingerprint == fingerprint
    assert sorted(p.suffix for p in kept.parent.glob(f"{fingerprint}*")) == [
        ".bin",
        ".xml",
        ".yaml",
    ]


def test_an_encoder_that_nobody_promoted_is_refused(
    path: Path, files: tuple[Encoded, Encoded]
) -> None:
    (_, old), _ = files
    fill(load_site(path), old, [1])
    path.write_text(path.read_text().replace("old.safetensors", "new.safetensors"))
    site = load_site(path)
    with (
        Store.open(site.store_url) as store,
        pytest.raises(CamtrailError, match="camtrail encoder promote"),
    ):
        make_engine(site, store)


def test_the_commands(path: Path, files: tuple[Encoded, Encoded]) -> None:
    (_, old), (file, new) = files
    fill(load_site(path), old, [1, 2])
    run = CliRunner().invoke
    answer = run(app, ["encoder", "promote", str(file), str(path), "--force", "--json"])
    assert answer.exit_code == 0, answer.output
    said = json.loads(answer.stdout)
    assert (said["fingerprint"], said["reembedded"]) == (new.fingerprint, 2)
    assert said["changed_over"] is False
    info = json.loads(run(app, ["encoder", "info", str(path), "--json"]).stdout)
    assert info["fingerprint"] == new.fingerprint
    assert [used["fingerprint"] for used in info["used"]] == [old.fingerprint, new.fingerprint]
    assert info["gallery"] == {"fingerprint": old.fingerprint, "tracklets": 2, "embedded": 2}
    text = run(app, ["encoder", "info", str(path)]).stdout
    assert "2 of 2 tracklets" in text
    back = run(app, ["encoder", "rollback", str(path)])
    assert "from the next start on" in back.stdout
    refused = run(app, ["encoder", "rollback", str(path)])
    assert isinstance(refused.exception, CamtrailError)
