"""`camtrail-train ablate`, run through on a few images."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from reid_models import Description, InputSpec, build, save_encoder
from tests.train.methods.views import write_blocks, write_encoder
from train.ablate.rows import Study, Training, trained
from train.cli import main
from train.data import load_folder
from train.loop import Epoch
from train.run import train_encoder

SMALL = ["height=64", "width=32", "identities_per_batch=2", "images_per_identity=6", "workers=0"]
SMALL += ["epochs=1", "warmup_epochs=0", "precision=fp32"]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["camtrail-train", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def changes(*more: str) -> list[str]:
    return [part for change in (*SMALL, *more) for part in ("--set", change)]


@pytest.mark.slow
def test_fidi(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "study"
    options = ["--data", market, "--out", out, *changes("arguments.dimension=16"), "--json"]
    run(monkeypatch, "ablate", "fidi", *options)
    written = json.loads(capsys.readouterr().out)
    assert "trapezoid" in written["protocol"]
    tables = written["tables"]
    assert [(table["title"], len(table["rows"])) for table in tables] == [
        ("Metric losses", 3),
        ("Errors of fidelity", 6),
        ("Alpha", 7),
        ("Beta", 5),
        ("Shares of the training identities", 4),
    ]
    losses = {row["name"]: row for row in tables[0]["rows"]}
    assert losses["FIDI"]["published"]["CUHK03 labelled"] == "75.0 / 73.2"
    errors = tables[1]["rows"][5]
    assert errors["name"] == "testing data, FIDI"
    assert errors["measured"].keys() == {"Error-I", "Error-II"}
    assert errors["published"]["Market-1501"] == "229.1 / 16.50"
    # alpha = 1.05, beta = 0.5 and the whole data are one and the same training
    alpha, beta, share = tables[2]["rows"][2], tables[3]["rows"][2], tables[4]["rows"][0]
    assert losses["FIDI"]["measured"] == alpha["measured"] == beta["measured"]
    assert share["measured"]["mAP, FIDI"] == alpha["measured"]["mAP"]
    trainings = list((out / "trainings").iterdir())
    assert len(trainings) == 19
    run(monkeypatch, "ablate", "fidi", *options)  # takes what is there
    again = capsys.readouterr()
    assert json.loads(again.out) == written
    assert "epoch" not in again.err
    assert "| FIDI |" in (out / "tables.md").read_text()


@pytest.mark.slow
def test_scr(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "study"
    small = changes("arguments.part_dimension=8", "lambda=1.0", "identities_per_batch=8")
    run(monkeypatch, "ablate", "scr", "--data", market, "--out", out, *small)
    text = capsys.readouterr().out
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert [title[3:6] for title in titles] == ["3.1", "3.2", "3.3", "3.4", "3.5"]
    tables = json.loads((out / "tables.json").read_text())["tables"]
    assert [len(table["rows"]) for table in tables] == [3, 3, 5, 4, 4]
    assert all(0 < row["measured"]["mAP"] <= 1 for table in tables for row in table["rows"])
    settings = [
        json.loads((folder / "run.json").read_text())["settings"]
        for folder in (out / "trainings").iterdir()
    ]
    assert {s["arguments"]["attention"] for s in settings} == {"none", "se"}
    assert {s["lambda"] for s in settings} == {1.0, 2.0, 3.0}
    assert None in [s["metric_loss"] for s in settings]
    # p1 and p2(s2c2) are in two tables, all branches in three
    assert len(settings) == 3 + 3 + 2 + 3


@pytest.mark.slow
def test_dgnet(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from train.ablate import dgnet

    monkeypatch.setattr(dgnet, "_ALPHAS", (0.1, 0.2))  # the others take as long again
    teacher, out = tmp_path / "teacher", tmp_path / "study"
    easy = ["epochs=15", "warmup_epochs=1", "augmentation.another_camera=0", "augmentation.erase=0"]
    easy += ["arguments.dimension=32", "identities_per_batch=4", "images_per_identity=3"]
    run(monkeypatch, "baseline", "--data", market, "--out", teacher, *changes(*easy))
    capsys.readouterr()
    tiny = ["arguments.dimension=16", "generator.width=1", "discriminator.width=1", "steps=1"]
    tiny += [f"teacher={teacher}/encoder.safetensors", "images_per_identity=2", "feed_from=0"]
    options = ["--data", market, "--out", out, "--transfer", market, *changes(*tiny), "--json"]
    run(monkeypatch, "ablate", "dgnet", *options)
    features, without, alphas, betas, transfer = json.loads(capsys.readouterr().out)["tables"]
    rows = {row["name"]: row for row in features["rows"]}
    assert list(rows) == [
        "Baseline (the teacher)",
        "primary",
        "fine-grained",
        "both",
        "both, images generated offline",
    ]
    assert rows["both"]["published"]["MSMT17"] == "77.2 / 52.3"
    record = json.loads((teacher / "run.json").read_text())["metrics"]
    assert rows["Baseline (the teacher)"]["measured"]["mAP"] == pytest.approx(record["map"])
    assert [row["name"] for row in without["rows"]][1:] == [
        "without online feeding",
        "nor identity supervision",
    ]
    # the whole method is alpha = 0.2 and beta = 0.5; beta = 0 is the primary feature
    whole = rows["both"]["measured"]
    assert without["rows"][0]["measured"] == alphas["rows"][1]["measured"] == whole
    assert betas["rows"][2]["measured"]["mAP"] == pytest.approx(whole["mAP"], abs=1e-3)
    assert betas["rows"][0]["measured"] == rows["primary"]["measured"]
    assert transfer["rows"][0]["name"] == "market to market"
    assert transfer["rows"][0]["measured"]["mAP"] == pytest.approx(whole["mAP"], abs=1e-4)
    assert len(list((out / "trainings").iterdir())) == 5
    assert len(list((out / "grids").iterdir())) == 3


def test_dgnet_needs_a_teacher(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["ablate", "dgnet", "--data", market, "--out", tmp_path / "study"]
    monkeypatch.setattr(sys, "argv", ["camtrail-train", *map(str, options)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "the study needs a teacher" in capsys.readouterr().err


@pytest.mark.slow
def test_slsr(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from train.ablate import slsr

    row = next(iter(slsr._NUMBERS.items()))
    monkeypatch.setattr(slsr, "_NUMBERS", dict([row]))  # the others take as long again, four times
    out = tmp_path / "study"
    tiny = ["arguments.dimension=16", "features.epochs=1", "generated=9", "clusters=2"]
    tiny += ["dcgan.size=16", "dcgan.width=1", "dcgan.batch=2", "dcgan.epochs=1"]
    run(monkeypatch, "ablate", "slsr", "--data", market, "--out", out, *changes(*tiny), "--json")
    labels, numbers = json.loads(capsys.readouterr().out)["tables"]
    assert [row["name"].split(":")[0].split(",")[0] for row in labels["rows"]] == [
        "real images alone",
        "LSR",
        "LSRO",
        "SLSR",
        "SLSR",
        "SLSR without a noise layer",
    ]
    assert labels["rows"][3]["published"]["Market-1501, ResNet-50"] == "89.16 / 75.15"
    assert [row["name"][:10] for row in numbers["rows"]] == [f"{k} clusters" for k in (2, 3, 4)]
    assert numbers["rows"][1]["published"] == {"re-ranked": "93.82 / 90.20"}
    assert all(0 < row["measured"]["mAP, re-ranked"] <= 1 for row in numbers["rows"])
    settings = [
        json.loads((folder / "run.json").read_text())["settings"]
        for folder in (out / "trainings").iterdir()
    ]
    # 12,000 of 12,936 are 45 of 48
    assert sorted((s["clusters"], s["generated"]) for s in settings if s["generated"] > 9) == [
        (2, 45),
        (3, 45),
        (4, 45),
    ]
    assert {s["generated_labels"] for s in settings} == {"sparse", "uniform"}
    assert {s["noise_layer"] for s in settings} == {"feature", "logits", "none"}


def test_fused_losses(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from train.ablate import fused_losses

    assert fused_losses._SINGLE["multiplicative"].fid == "319.82"
    few = {"l1": fused_losses._SINGLE["l1"]}
    monkeypatch.setattr(fused_losses, "_SINGLE", few)
    fused = {"0.4*l1+0.6*cosine": fused_losses._FUSED["0.4*l1+0.6*cosine"]}
    monkeypatch.setattr(fused_losses, "_FUSED", fused)
    judge, out = tmp_path / "judge.safetensors", tmp_path / "study"
    write_judge(judge)
    tiny = ["arguments.dimension=16", "generator.width=2", "discriminator.width=2", "steps=1"]
    tiny += ["height=64", "width=32", "identities_per_batch=3", "images_per_identity=2", "epochs=1"]
    tiny += ["workers=0", "precision=fp32", "lambda_primary=0", "pictures=1", "warmup_epochs=0"]
    options = ["--data", market, "--out", out, *[x for t in tiny for x in ("--set", t)]]
    run(monkeypatch, "ablate", "fused-losses", *options, "--judge", judge, "--json")
    single, sums = json.loads(capsys.readouterr().out)["tables"]
    assert [row["name"] for row in single["rows"]] == ["l1"]
    assert single["rows"][0]["published"]["DukeMTMC-reID, FID / mAP"] == "20.84 / 67.33"
    (row,) = sums["rows"]
    assert row["published"] == {
        "FID": "20.55",
        "Rank-1": "90.32",
        "Rank-5": "96.70",
        "Rank-10": "97.74",
        "mAP": "74.81",
    }
    (distance,) = (name for name in row["measured"] if name.startswith("Fréchet distance in"))
    assert row["measured"][distance] > 0
    assert row["measured"].keys() == {distance, "Rank-1", "Rank-5", "Rank-10", "mAP"}
    assert sorted(file.name for file in (out / "grids").iterdir()) == [
        "01_l1.png",
        "02_0.4xl1+0.6xcosine.png",
    ]
    settings = [
        json.loads((folder / "run.json").read_text())["settings"]
        for folder in (out / "trainings").iterdir()
    ]
    assert all(s["image_reconstruction"] == s["code_reconstruction"] for s in settings)
    assert {s["image_reconstruction"] for s in settings} == {*few, *fused}
    # once more: nothing is trained or measured again
    run(monkeypatch, "ablate", "fused-losses", *options, "--judge", judge)
    text = capsys.readouterr().out
    assert f"{row['measured'][distance]:.4g}" in text


@pytest.mark.slow
def test_gcl(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from train.ablate import gcl

    rows = {name: row for name, row in gcl._JOINT.items() if row[0] != 2}  # takes as long again
    monkeypatch.setattr(gcl, "_JOINT", rows)
    judge, warm, maps = (tmp_path / name for name in ("judge.safetensors", "warm.safetensors", "m"))
    write_judge(judge)
    write_encoder(warm)
    write_blocks(maps, load_folder(market, "m").train)
    tiny = [f"warm_up={warm}", f"structure={maps}", "generator.width=1", "discriminator.width=1"]
    tiny += ["clustering.k1=8", "clustering.k2=3", "clustering.min_samples=3", "clustering.eps=0.6"]
    tiny += ["steps=1", "generator_epochs=1", "pictures=0", "epochs=1"]
    out = tmp_path / "study"
    options = ["--data", market, "--out", out, *changes(*tiny), "--judge", judge, "--json"]
    run(monkeypatch, "ablate", "gcl", *options)
    losses, views = json.loads(capsys.readouterr().out)["tables"]
    assert [row["name"] for row in losses["rows"]] == [
        "Baseline",
        "+ L_gan",
        "+ L_vi without generation",
        "+ L_vi without generation + TDA",
        "+ L_gan + L_vi",
        "+ L_gan + L_vi + L'_vi + L''_vi",
    ]
    assert all(0 < row["measured"]["mAP"] <= 1 for row in losses["rows"])
    assert losses["rows"][-1]["published"]["Market-1501"] == "83.7 / 63.4"
    measured = {row["name"]: row["measured"] for row in views["rows"] if row["measured"]}
    assert set(measured) == {"Real", "GCL, without labels"}
    (distance,) = (name for name in measured["Real"] if name.startswith("Fréchet distance in"))
    assert measured["GCL, without labels"][distance] > measured["Real"][distance]
    assert 0 < measured["Real"]["SSIM"] < 1
    settings = [
        json.loads((folder / "run.json").read_text())["settings"]
        for folder in (out / "trainings").iterdir()
    ]
    weights = [(s["lambda_view"], s["lambda_view_image"], s["lambda_view_memory"])
               for s in settings if s["generate"]]  # fmt: skip
    assert sorted(weights) == [(0, 0, 0), (1, 0, 0), (1, 1, 1)]
    # one generator was warmed up, and the others took it
    assert len(list((out / "trainings").glob("*/steps"))) == 1
    assert sorted(s["augmentation"]["erase"] for s in settings if not s["generate"]) == [0, 0.5]


def test_gcl_needs_an_encoder_and_maps(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_judge(tmp_path / "judge.safetensors")
    options = ["ablate", "gcl", "--data", market, "--out", tmp_path / "study"]
    options += ["--judge", tmp_path / "judge.safetensors"]
    monkeypatch.setattr(sys, "argv", ["camtrail-train", *map(str, options)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "the study needs an encoder and structure maps" in capsys.readouterr().err


def write_judge(file: Path) -> None:
    """An encoder that knows nothing."""
    network = build("stripenet", dimension=16)
    description = Description(
        input=InputSpec(height=64, width=32),
        dimension=16,
        architecture="stripenet",
        arguments={"dimension": 16},
    )
    save_encoder(file, network.eval(), description)


def test_a_row_goes_on_where_it_stopped(market: Path, tmp_path: Path) -> None:
    wanted = [*SMALL, "arguments.dimension=16", "epochs=3"]
    study = Study(load_folder(market, "m"), tmp_path, "default", wanted, 0, "")
    training = Training("baseline", ("metric_loss.name=fidi",))
    whole = trained(study, training).record
    (folder,) = (tmp_path / "trainings").iterdir()
    assert not (folder / "checkpoint.pt").exists()  # it would be most of a study

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    for file in ("run.json", "encoder.safetensors"):
        (folder / file).unlink()
    assert trained(study, training).record["epochs"][0]["losses"] == whole["epochs"][0]["losses"]
    import shutil

    from train.run import method_settings

    shutil.rmtree(folder)
    settings = method_settings("baseline", changes=[*wanted, *training.changes])
    with pytest.raises(KeyboardInterrupt):
        train_encoder("baseline", study.data, folder, settings, 0, report=stop)
    record = trained(study, training).record
    assert [e["losses"] for e in record["epochs"]] == [e["losses"] for e in whole["epochs"]]


def test_fewer_identities(market: Path, tmp_path: Path) -> None:
    wanted = [*SMALL, "arguments.dimension=16"]
    study = Study(load_folder(market, "m"), tmp_path, "default", wanted, 0, "")
    half = trained(study, Training("baseline", share=0.5))
    assert half.record["train_identities"] == 4
    assert len(half.data.query) == len(study.data.query)
