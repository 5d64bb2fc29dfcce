"""`camtrail-train results`, run through on a few images."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models import Description, InputSpec, build, save_encoder
from train.cli import main

SMALL = ["height=64", "width=32", "workers=0", "epochs=1", "optimizer=sgd", "precision=fp32"]
SMALL += ["identities_per_batch=8", "images_per_identity=6"]  # one step an epoch


def test_the_page(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "RESULTS.md"
    changes = [part for change in SMALL for part in ("--set", change)]
    options = ["--out", tmp_path / "runs", "--data", market, "--seeds", "2", "--page", page]
    arguments = ["camtrail-train", "results", "supervised", *map(str, options), *changes]
    monkeypatch.setattr(sys, "argv", arguments)
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    captured = capsys.readouterr()
    assert captured.err.count("epoch 1/1") == 6  # the second time nothing is trained
    text = page.read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == [
        "baseline, triplet",
        "baseline, FIDI",
        "SCR",
        "colour histogram",
    ]
    assert {row.count("|") for row in rows} == {7}
    assert all("±" in row for row in rows[2:5])
    assert "48 images of 8 identities" in text
    assert "8 queries and 16 gallery images of 4 other identities" in text
    assert f"camtrail-train results supervised --out {tmp_path / 'runs'}" in text
    assert captured.out.endswith(text)


@pytest.mark.slow
def test_the_generative_part(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from train.ablate.rows import Training
    from train.results import generative

    size = ("height=64", "width=32", "workers=0", "precision=fp32", "warmup_epochs=1")
    easy = ("epochs=15", "augmentation.another_camera=0", "augmentation.erase=0")
    easy += ("arguments.dimension=32", "identities_per_batch=4", "images_per_identity=3")
    gan = (
        "identities_per_batch=4",
        "images_per_identity=2",
        "epochs=1",
        "steps=1",
        "arguments.dimension=16",
        "generator.width=1",
    )
    gan += ("discriminator.width=1", "feed_from=0", "pictures=0")
    dcgan = (
        "identities_per_batch=4",
        "epochs=1",
        "features.epochs=1",
        "arguments.dimension=16",
        "clusters=2",
    )
    dcgan += ("dcgan.size=16", "dcgan.width=1", "dcgan.batch=2", "dcgan.epochs=1")
    loss = "image_reconstruction=l1+mse"
    rows = {
        "baseline": Training("baseline", (*size, *easy), keeps_checkpoint=True),
        "DG-Net, l1": Training("dgnet", (*size, *gan), keeps_checkpoint=True),
        "DG-Net, l1+mse": Training("dgnet", (*size, *gan, loss), keeps_checkpoint=True),
    }
    monkeypatch.setattr(generative, "DGNET", rows)
    sparse = (*size, *dcgan, "generated=9")
    labels = {
        "real images alone": Training("slsr", (*size, *dcgan, "generated=0")),
        "LSRO": Training("slsr", (*sparse, "generated_labels=uniform")),
        "SLSR": Training("slsr", sparse),
    }
    monkeypatch.setattr(generative, "SLSR", labels)
    page, judge = tmp_path / "RESULTS.md", tmp_path / "judge.safetensors"
    page.write_text("# Supervised methods on simulated people\n\nkept\n")
    torch.manual_seed(0)
    made = {"architecture": "stripenet", "arguments": {"dimension": 16}, "dimension": 16}
    spec = InputSpec(height=64, width=32)
    network = build("stripenet", dimension=16).eval()
    save_encoder(judge, network, Description(input=spec, trained_on="nothing", **made))
    options = ["--out", tmp_path / "runs", "--data", market, "--seeds", "1", "--page", page]
    arguments = ["results", "generative", *map(str, options), "--judge", str(judge)]
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", ["camtrail-train", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0, capsys.readouterr().err
    err = capsys.readouterr().err
    assert err.count("a DCGAN on the") == 2  # of two clusters, for both labels and both calls
    text = page.read_text()
    assert text.startswith("# Supervised methods on simulated people\n\nkept\n\n# Generative")
    assert text.count("# Generative methods") == 1
    figures = {
        line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:]
        for line in text.splitlines()
        if line.startswith("| ")
    }
    assert list(figures)[1:4] == list(rows)
    assert figures["baseline"][4:] == ["-", "-", "-"]
    for name in list(rows)[1:]:
        assert figures[name][0] == "1"  # seeds
        distances = [float(cell.split(" ±")[0]) for cell in figures[name][4:]]
        assert len(distances) == 3
        assert all(value >= 0 for value in distances)
    assert set(labels) < set(figures)


def test_the_generative_part_needs_a_judge(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--out", str(tmp_path / "runs"), "--data", str(market)]
    monkeypatch.setattr(sys, "argv", ["camtrail-train", "results", "generative", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "needs --judge ENCODER" in capsys.readouterr().err


@pytest.mark.slow
def test_the_part_without_labels(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from train.ablate.rows import Training
    from train.results import unsupervised

    size = ("height=64", "width=32", "workers=0", "precision=fp32", "epochs=1", "warmup_epochs=0")
    size += ("identities_per_batch=2", "images_per_identity=2", "arguments.dimension=16")
    blind = (*size, "steps=1", "pictures=0", "clustering.k1=8", "clustering.k2=3")
    blind += ("clustering.min_samples=2", "clustering.eps=0.6")
    abmt = (*blind, "arguments.stripes=2", "pretraining.epochs=1")
    rows = {
        "baseline, with labels": Training("baseline", size),
        "ICE": Training("ice", blind),
        "ABMT": Training("abmt", abmt),
    }
    tracked = (*blind, "clustering.tracklets=true")
    more = {
        "ABMT, without the source's images": Training("abmt", abmt),
        "ABMT, FIDI for soft triplets": Training("abmt", (*abmt, "metric_loss.name=fidi")),
        "ICE, tracklets known": Training("ice", tracked),
    }
    assert rows.keys() == unsupervised.TRAININGS.keys()
    assert more.keys() < unsupervised.MORE.keys()
    monkeypatch.setattr(unsupervised, "TRAININGS", rows)
    monkeypatch.setattr(unsupervised, "MORE", more)
    monkeypatch.setattr(unsupervised, "BEGINNING", Training("baseline", size))
    monkeypatch.setattr(unsupervised, "SOURCE", f"folder:{market}")
    page = tmp_path / "RESULTS.md"
    options = ["--out", tmp_path / "runs", "--data", market, "--seeds", "1", "--page", page]
    monkeypatch.setattr(
        sys, "argv", ["camtrail-train", "results", "unsupervised", *map(str, options)]
    )
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    assert capsys.readouterr().err.count("epoch 1/1") == 8  # a source once, the second time nothing
    text = page.read_text()
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [line[0] for line in lines[1:9]] == [
        "source alone, baseline",
        "source alone, ABMT's branches",
        *rows,
        *more,
    ]
    assert [line[:2] for line in lines[10:]] == [[n, "1"] for n in ("ICE", "ABMT", *more)]
    assert {len(line) for line in lines[10:]} == {8}
    assert f"From an encoder that learnt from folder:{market}" in text
    assert "(80 % was the aim)" in text
    assert "(10 was the aim)" in text


@pytest.mark.slow
def test_gcl(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from train.ablate.rows import Training
    from train.results import gcl

    names = [path.stem for path in (market / "bounding_box_train").iterdir()]
    body = np.random.default_rng(1).uniform((0, 0, -5), (30, 60, 5), (len(names), 17, 3))
    np.savez(market / "joints.npz", names=names, joints=body)
    size = ("height=64", "width=32", "workers=0", "precision=fp32", "epochs=1", "warmup_epochs=0")
    size += ("identities_per_batch=4", "images_per_identity=3")
    blind = (*size, "steps=1", "pictures=0", "clustering.k1=8", "clustering.k2=3")
    blind += ("clustering.min_samples=3", "clustering.eps=0.6")
    tiny = ("generator.width=1", "discriminator.width=1", "generator_epochs=1")
    beginning = Training("baseline", (*size, "arguments.dimension=16"))
    rows = {
        "ICE": Training("ice", (*blind, "arguments.dimension=16")),
        "ICE, then contrast alone": Training("gcl", (*blind, "generate=false")),
        "ICE, then GCL": Training("gcl", (*blind, *tiny)),
    }
    assert rows.keys() < gcl.TRAININGS.keys()
    monkeypatch.setattr(gcl, "TRAININGS", rows)
    monkeypatch.setattr(gcl, "BEGINNING", beginning)
    monkeypatch.setattr(gcl, "SOURCE", f"folder:{market}")
    out = tmp_path / "runs"
    options = ["--out", out, "--data", market, "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", ["camtrail-train", "results", "gcl", *map(str, options)])
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    said = capsys.readouterr().err
    assert said.count("epoch 1/1") == 5  # four trainings and a warm-up, once
    assert said.count("drawing 48 people") == 1
    text = (out / "RESULTS.md").read_text()
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [line[0] for line in lines[1:]] == list(rows)
    warm = [
        record["settings"]["warm_up"]
        for record in (json.loads(f.read_text()) for f in out.glob("trainings/gcl-*/run.json"))
    ]
    assert len(set(warm)) == 1
    assert "/ice-" in warm[0]


@pytest.mark.parametrize("part", ["unsupervised", "gcl"])
def test_the_parts_without_labels_are_fixed(
    market: Path, part: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--out", "runs", "--data", str(market), "--set", "epochs=1"]
    monkeypatch.setattr(sys, "argv", ["camtrail-train", "results", part, *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "takes no --set" in capsys.readouterr().err
