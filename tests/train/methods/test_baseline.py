"""The baseline method, trained for real on a few images."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from reid_models import load_encoder
from tests.train.methods.small import small
from train.data import load_folder
from train.errors import TrainError
from train.loop import Batch, Epoch
from train.losses import TripletLoss
from train.methods.baseline import BaselineMethod
from train.run import train_encoder


def test_learns_and_writes_what_it_promises(market: Path, tmp_path: Path) -> None:
    reports: list[Epoch] = []
    data, out = load_folder(market, "m"), tmp_path / "run"
    result = train_encoder(
        "baseline", data, out, small("baseline", "epochs=12"), seed=1, report=reports.append
    )
    assert [epoch.number for epoch in reports] == list(range(1, 13))
    assert reports[-1].remaining == 0
    assert reports[-1].losses["accuracy"] > 0.5 > 2 * reports[0].losses["accuracy"]  # chance: 1/8
    assert reports[-1].losses["metric"] < reports[0].losses["metric"]
    assert json.loads((out / "run.json").read_text()) == json.loads(json.dumps(result))
    encoder = load_encoder(out / "encoder.safetensors", "cpu")
    assert encoder.description.metrics == [result["metrics"]]
    assert encoder.description.thresholds is not None
    assert "8 identities, method baseline, seed 1" in encoder.description.trained_on
    assert result["metrics"]["map"] > 0.5
    assert "trapezoid" in result["metrics"]["protocol"]
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoint.pt",
        "encoder.safetensors",
        "run.json",
        "tensorboard",
    ]


def test_a_test_part_of_one_person_recommends_no_thresholds(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was trained for hours is kept, whatever can be said of it."""
    for path in (*(market / "query").iterdir(), *(market / "bounding_box_test").iterdir()):
        if not path.name.startswith("0009"):
            path.unlink()
    out = tmp_path / "run"
    train_encoder("baseline", load_folder(market, "m"), out, small("baseline", "epochs=1"))
    assert "recommends no thresholds: thresholds need two people" in capsys.readouterr().err
    description = load_encoder(out / "encoder.safetensors", "cpu").description
    assert description.thresholds is None
    assert description.metrics == [json.loads((out / "run.json").read_text())["metrics"]]


def test_the_record_says_where_the_run_came_from(market: Path, tmp_path: Path) -> None:
    data = load_folder(market, "m")
    result = train_encoder(
        "baseline", data, tmp_path / "run", small("baseline", "epochs=2"), command="the command"
    )
    assert result["command"] == "the command"
    assert result["data_fingerprint"] == data.fingerprint()
    assert (result["train_images"], result["train_identities"]) == (48, 8)
    assert result["versions"]["torch"] == torch.__version__
    assert result["versions"].keys() >= {"camtrail", "numpy", "python", "cuda"}
    assert result["settings"]["metric_loss"] == {"name": "triplet", "margin": 0.3}
    assert result["settings"]["epochs"] == len(result["epochs"]) == result["kept_epoch"] == 2
    assert result["seconds"]["training"] == pytest.approx(
        sum(epoch["seconds"] for epoch in result["epochs"]), abs=0.001
    )
    assert "CPU" in result["device"]
    assert result["precision"] == "no"


def test_the_loss_is_cross_entropy_and_triplets(market: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = load_folder(market, "m")
    settings = small("baseline", "label_smoothing=0", "metric_loss.margin=0.7")
    method = BaselineMethod(settings, data.train, 0, "")
    draws = next(iter(method.source(1).draws))
    items = [method.source(1).images[draw] for draw in draws]
    images, labels = torch.stack([i for i, _ in items]), torch.tensor([n for _, n in items])
    losses = method.step(Batch(images, labels, labels))
    features = method.network.features(images)
    logits = method.network.neck(features) @ method.models["model"].classifiers[0].weight.T
    identity, metric = F.cross_entropy(logits, labels), TripletLoss(0.7)(features, labels)
    assert losses["identity"].item() == pytest.approx(identity.item(), abs=1e-6)
    assert losses["metric"].item() == pytest.approx(metric.item(), abs=1e-6)
    assert losses["loss"].item() == pytest.approx((identity + metric).item(), abs=1e-6)


@pytest.mark.parametrize(
    ("method", "loss"),
    [("baseline", "fidi"), ("baseline", "contrastive"), ("baseline", "circle"), ("scr", "fidi")],
)
def test_one_setting_replaces_the_triplet_loss(
    method: str, loss: str, market: Path, tmp_path: Path
) -> None:
    chosen = small(method, f"metric_loss.name={loss}", "epochs=1")
    result = train_encoder(method, load_folder(market, "m"), tmp_path / "run", chosen)
    assert result["settings"]["metric_loss"]["name"] == loss
    assert result["epochs"][0]["losses"]["metric"] > 0


def test_without_a_metric_loss(market: Path, tmp_path: Path) -> None:
    chosen = small("baseline", "metric_loss=null", "epochs=1")
    result = train_encoder("baseline", load_folder(market, "m"), tmp_path / "run", chosen)
    losses = result["epochs"][0]["losses"]
    assert losses.keys() == {"loss", "identity", "accuracy"}
    assert losses["loss"] == losses["identity"]


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    market: Path, tmp_path: Path
) -> None:
    data, chosen = load_folder(market, "m"), small("baseline", "epochs=3", "ema=0.9")
    train_encoder("baseline", data, tmp_path / "whole", chosen, seed=4)

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_encoder("baseline", data, tmp_path / "part", chosen, seed=4, report=stop)
    train_encoder("baseline", data, tmp_path / "part", chosen, seed=4, resume=True)
    files = [tmp_path / name / "encoder.safetensors" for name in ("whole", "part")]
    assert load_encoder(files[0]).fingerprint == load_encoder(files[1]).fingerprint


def test_gives_its_memory_back(market: Path, tmp_path: Path) -> None:
    """A study trains many networks in one process."""

    def weights() -> set[int]:
        return {id(kept) for kept in gc.get_objects() if type(kept) is torch.nn.Parameter}

    data, chosen = load_folder(market, "m"), small("baseline", "epochs=1")
    gc.collect()
    before = weights()
    train_encoder("baseline", data, tmp_path / "run", chosen)
    assert weights() <= before


def test_validation_chooses_among_the_epochs(market: Path, tmp_path: Path) -> None:
    chosen = small("baseline", "epochs=5", "validation={share: 0.3, every: 2}")
    result = train_encoder("baseline", load_folder(market, "m"), tmp_path / "run", chosen)
    looks = {e["number"]: e["validation"]["map"] for e in result["epochs"] if e["validation"]}
    assert list(looks) == [2, 4, 5]
    assert result["kept_epoch"] == max(looks, key=lambda number: looks[number])
    trained_on = load_encoder(tmp_path / "run" / "encoder.safetensors").description.trained_on
    assert "6 identities" in trained_on


def test_checkpoints_of_another_run(market: Path, tmp_path: Path) -> None:
    data, out = load_folder(market, "m"), tmp_path / "run"
    train_encoder("baseline", data, out, small("baseline", "epochs=1"))
    for change, text in (
        ("epochs=2", "epochs: 1 there, 2 here"),
        ("architecture=resnet18", "architecture: stripenet there, resnet18 here"),
        ("arguments.dimension=64", "arguments.dimension: 32 there, 64 here"),
    ):
        chosen = small("baseline", "epochs=1", change)
        with pytest.raises(TrainError, match=f"made with other settings .*{text}"):
            train_encoder("baseline", data, out, chosen, resume=True)
    with pytest.raises(TrainError, match=r"made with other settings \(seed: 0 there, 1 here"):
        train_encoder("baseline", data, out, small("baseline", "epochs=1"), seed=1, resume=True)
    (market / "bounding_box_train" / "0001_c1s1_000000_01.jpg").unlink()
    with pytest.raises(TrainError, match=r"made with other settings .*data: "):
        train_encoder(
            "baseline", load_folder(market, "m"), out, small("baseline", "epochs=1"), resume=True
        )


def test_a_loss_that_explodes_is_named(market: Path, tmp_path: Path) -> None:
    chosen = small("baseline", "epochs=3", "learning_rate=1e30", "warmup_epochs=0")
    with pytest.raises(TrainError, match=r"no longer a number in epoch .* lower learning_rate"):
        train_encoder("baseline", load_folder(market, "m"), tmp_path / "run", chosen)
    named = json.loads((tmp_path / "run" / "bad_batch_0.json").read_text())["images"]
    assert len(named) == 12
    assert all(Path(name).parent == market / "bounding_box_train" for name in named)


def test_half_precision_needs_a_gpu(market: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    chosen = small("baseline", "precision=fp16")
    with pytest.raises(TrainError, match="fp16 needs a GPU"):
        train_encoder("baseline", load_folder(market, "m"), tmp_path / "run", chosen)


def test_runs_in_one_process_may_differ_in_precision(market: Path, tmp_path: Path) -> None:
    data = load_folder(market, "m")
    for precision, name in (("fp32", "no"), ("bf16", "bf16")):
        chosen = small("baseline", "epochs=1", f"precision={precision}")
        result = train_encoder("baseline", data, tmp_path / precision, chosen)
        assert result["precision"] == name


def test_too_few_identities_for_a_batch(market: Path, tmp_path: Path) -> None:
    chosen = small("baseline", "identities_per_batch=9")
    with pytest.raises(TrainError, match="9 identities cannot be drawn from 8"):
        train_encoder("baseline", load_folder(market, "m"), tmp_path / "run", chosen)


def test_unknown_weights_are_named(market: Path, tmp_path: Path) -> None:
    from reid_models import EncoderError

    chosen = small("baseline", "weights=none.pth")
    with pytest.raises(EncoderError, match="no such file of weights"):
        train_encoder("baseline", load_folder(market, "m"), tmp_path / "run", chosen)
