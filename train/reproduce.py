"""Published recipes at full size, and the figures that they gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from reid_models import load_encoder
from train.data import DataSet
from train.errors import TrainError
from train.methods.supervised import EncoderSettings
from train.run import ENCODER
from train.tracklets import POOLINGS, evaluate_tracklets


class Figures(NamedTuple):
    """Rates in [0, 1]; None where the document has none."""

    rank1: float
    map: float | None


@dataclass(frozen=True)
class Recipe:
    """How a published row came about.

    Attributes:
        method: a name of `train.methods.METHODS`; its preset ``paper`` is the recipe.
        changes: of the preset.
        source: the document and the table.
        figures: by kind of data set and, where it has several, version.
        needs: settings that the preset leaves open and the recipe cannot do without, each with an
            example.
    """

    method: str
    changes: tuple[str, ...]
    source: str
    figures: dict[tuple[str, str], Figures]
    needs: dict[str, str] = field(default_factory=dict)


_TEACHER = {"teacher": "runs/baseline/encoder.safetensors"}
_LABELED, _DETECTED = "new protocol, labeled", "new protocol, detected"
_YAN = "Yan et al., Beyond Triplet Loss (2022), tables II and III"
_CHEN = "H. Chen, Towards unsupervised person re-identification (2022)"
_AINAM = "Ainam et al., Sparse Label Smoothing, tables 4 and 6"

RECIPES = {
    "baseline": Recipe(
        "baseline",
        (),
        f"{_YAN}, Baseline2",
        {
            ("market1501", ""): Figures(0.945, 0.859),
            ("dukemtmc", ""): Figures(0.864, 0.764),
            ("cuhk03", _DETECTED): Figures(0.605, 0.582),
            ("cuhk03", _LABELED): Figures(0.621, 0.602),
            ("veri776", ""): Figures(0.952, 0.757),
            ("vehicleid", "test size 2400"): Figures(0.775, None),
        },
    ),
    # The paper tunes alpha and beta by cross validation for each data set and gives no values.
    "fidi": Recipe(
        "baseline",
        ("metric_loss.name=fidi", "identities_per_batch=8", "images_per_identity=16"),
        f"{_YAN}, Baseline2 (FIDI)",
        {
            ("market1501", ""): Figures(0.945, 0.868),
            ("dukemtmc", ""): Figures(0.881, 0.775),
            ("cuhk03", _DETECTED): Figures(0.721, 0.691),
            ("cuhk03", _LABELED): Figures(0.750, 0.732),
            ("veri776", ""): Figures(0.957, 0.776),
            ("vehicleid", "test size 2400"): Figures(0.785, None),
        },
    ),
    "scr": Recipe(
        "scr",
        (),
        f"{_CHEN}, tables 3.6 to 3.8",
        {
            ("market1501", ""): Figures(0.957, 0.890),
            ("dukemtmc", ""): Figures(0.911, 0.814),
            ("cuhk03", _DETECTED): Figures(0.822, 0.776),
            ("cuhk03", _LABELED): Figures(0.838, 0.804),
            ("mars", ""): Figures(0.873, 0.813),
        },
    ),
    "dgnet": Recipe(
        "dgnet",
        (),
        "Zheng et al., DG-Net (2019), tables 4 and 5",
        {
            ("market1501", ""): Figures(0.948, 0.860),
            ("dukemtmc", ""): Figures(0.866, 0.748),
            ("msmt17", "version 1"): Figures(0.772, 0.523),
        },
        _TEACHER,
    ),
    "dgnet-fused": Recipe(
        "dgnet",
        ("image_reconstruction=l1+mse", "code_reconstruction=l1+mse"),
        "A. Shah, Person Re-identification in Surveillance Video (2022), table 5.4, L1 + MSE",
        {
            ("market1501", ""): Figures(0.9237, 0.7863),
            ("dukemtmc", ""): Figures(0.1080, 0.2371),  # table 5.5: a training that failed
        },
        _TEACHER,
    ),
    "slsr": Recipe(
        "slsr",
        (),
        f"{_AINAM}, SLS + ResNet",
        {
            ("market1501", ""): Figures(0.8916, 0.7515),
            ("dukemtmc", ""): Figures(0.7653, 0.6079),
        },
    ),
    "slsr-densenet": Recipe(
        "slsr",
        ("architecture=densenet121", "height=256", "width=128"),
        f"{_AINAM}, SLS + DenseNet",
        {
            ("market1501", ""): Figures(0.9243, 0.7908),
            ("dukemtmc", ""): Figures(0.8294, 0.6778),
        },
    ),
    "ice": Recipe(
        "ice",
        (),
        f"{_CHEN}, table 6.7, ICE (aware)",
        {
            ("market1501", ""): Figures(0.938, 0.823),
            ("dukemtmc", ""): Figures(0.833, 0.699),
            ("msmt17", "version 1"): Figures(0.702, 0.389),
        },
    ),
    "abmt": Recipe(
        "abmt",
        (),
        f"{_CHEN}, table 4.2, without source pre-training",
        {
            ("market1501", ""): Figures(0.826, 0.651),
            ("dukemtmc", ""): Figures(0.777, 0.631),
        },
    ),
    # From each other: the document has two rows for MSMT17, one for each of these as its source.
    "abmt-uda": Recipe(
        "abmt",
        (),
        f"{_CHEN}, table 4.1, Duke to Market or Market to Duke",
        {
            ("market1501", ""): Figures(0.925, 0.783),
            ("dukemtmc", ""): Figures(0.820, 0.691),
        },
        {"source": "the labelled data market1501:/data/Market-1501-v15.09.15"},
    ),
    # Begun with the encoder of another method, JVTC; here with whichever is given.
    "gcl": Recipe(
        "gcl",
        (),
        f"{_CHEN}, tables 5.1 and 5.2, ours (JVTC), without a source",
        {
            ("market1501", ""): Figures(0.837, 0.634),
            ("dukemtmc", ""): Figures(0.724, 0.533),
            ("msmt17", "version 1"): Figures(0.416, 0.180),
        },
        {
            "warm_up": "runs/ice/encoder.safetensors of camtrail-train ice on the same data",
            "structure": "a folder of maps that camtrail-train structure has written",
        },
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        TrainError: there is none; names those that exist.
    """
    if name not in RECIPES:
        raise TrainError(f"unknown recipe {name!r}; known are: {', '.join(RECIPES)}")
    return RECIPES[name]


def check_complete(name: str, settings: EncoderSettings) -> None:
    """Raises `TrainError` where a setting that the recipe of that name needs was left open."""
    for key, example in recipe(name).needs.items():
        if getattr(settings, key) is None:
            raise TrainError(f"{name} needs {key}: add --set {key}=..., for example {example}")


def published(chosen: Recipe, data: DataSet) -> Figures | None:
    """The recipe's figures on a data set; None where the document has none.

    Splits of one size, of which the document's is one, all have the same.
    """
    version = data.version.partition(", split")[0]
    return chosen.figures.get((data.kind, version))


def measured(record: dict[str, Any], data: DataSet, run: Path) -> Figures:
    """The run's figures; on MARS of tracklet to tracklet, as the document measures there."""
    if data.kind != "mars":
        return Figures(record["metrics"]["rank1"], record["metrics"]["map"])
    encoder = load_encoder(run / ENCODER)
    (ranking,) = evaluate_tracklets(encoder, data, [POOLINGS["TPP(E)"]], record["seed"])
    return Figures(float(ranking.cmc[0]), ranking.mean_average_precision)
