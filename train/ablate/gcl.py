"""Tables 5.3 and 5.4 of H. Chen, "Towards unsupervised person re-identification" (thesis, 2022)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from reid_models import load_encoder
from train.ablate.rows import Study, Trained, Training, trained
from train.ablate.tables import Plan, Row, Table, growing
from train.errors import TrainError
from train.evaluation import embed_data, evaluate
from train.files import write_text
from train.generation.quality import Judge
from train.generation.view_quality import Quality, real_quality, view_quality
from train.methods.gcl_generator import load_views
from train.methods.gcl_settings import GclSettings
from train.run import ENCODER, method_settings

_PAPER = "Published: H. Chen's thesis (2022), "
_SETS = ("Market-1501", "DukeMTMC-reID")
_WEIGHTS = ("lambda_view", "lambda_view_image", "lambda_view_memory")
_BASELINE = ("75.4 / 47.2", "66.8 / 43.9")
_GENERATION = ("69.0 / 41.6", "45.9 / 25.8")
_CONTRAST = ("75.2 / 47.8", "67.8 / 44.1")
_AUGMENTED = ("78.7 / 53.7", "70.0 / 48.5")
_JOINT = {  # how many of the three view-invariant losses, in the document's order
    "+ L_gan + L_vi": (1, ("79.4 / 54.1", "68.4 / 47.4")),
    "+ L_gan + L_vi + L'_vi": (2, ("82.2 / 59.2", "71.0 / 50.5")),
    "+ L_gan + L_vi + L'_vi + L''_vi": (3, ("83.7 / 63.4", "72.4 / 53.3")),
}
_QUALITY = {  # FID, SSIM on Market-1501
    "Real": ("7.22", "0.350"),
    "FD-GAN": ("216.88", "0.271"),
    "IS-GAN": ("281.63", "0.165"),
    "DG-Net": ("18.24", "0.360"),
    "GCL, without labels": ("59.86", "0.367"),
    "GCL, from a labelled source": ("53.07", "0.369"),
}


def gcl_tables(study: Study, judge: Judge) -> Iterator[list[Table]]:
    """The tables as far as they are filled, again after each row.

    All rows that generate share one warm generator, that of the first of them.

    Args:
        study: its changes name the encoder to begin with, and the structure maps.
        judge: of how real generated views look.

    Raises:
        TrainError: they do not.
    """
    settings = method_settings("gcl", study.settings, study.changes)
    assert isinstance(settings, GclSettings)
    if settings.warm_up is None or settings.structure is None or not settings.generate:
        raise TrainError(
            "the study needs an encoder and structure maps: --set warm_up=RUN/encoder.safetensors "
            "of ice or abmt on the same data, and --set structure=FOLDER of camtrail-train "
            "structure, with generate=true"
        )
    return growing(
        [
            Plan(
                "5.3 Losses",
                f"{_PAPER}table 5.3, warmed up by JVTC: Rank-1 / mAP in per cent. TDA: mirror "
                "images, random cuts, colours and erasing.",
                _losses(study, settings),
            ),
            Plan(
                "5.4 Generated views",
                f"{_PAPER}table 5.4, Market-1501. Each training image is generated once from "
                f"another side. SSIM is within people; real: {judge.name} between two halves.",
                _quality(study, settings, judge),
            ),
        ]
    )


def _losses(study: Study, settings: GclSettings) -> Iterator[Row]:
    study.out.mkdir(parents=True, exist_ok=True)  # the first row needs no training
    encoder = load_encoder(Path(settings.warm_up or ""))
    query, gallery = (embed_data(encoder, part) for part in (study.data.query, study.data.gallery))
    ranking = evaluate(query, gallery)
    rates = {"Rank-1": float(ranking.cmc[0]), "mAP": ranking.mean_average_precision}
    yield Row("Baseline", rates, _published(_BASELINE))
    yield Row("+ L_gan", _joint(study, settings, 0).rates, _published(_GENERATION))
    alone = ("generate=false", "structure=null")
    contrast = trained(study, Training("gcl", alone))
    yield Row("+ L_vi without generation", contrast.rates, _published(_CONTRAST))
    changed = trained(study, Training("gcl", (*alone, *_traditional(settings))))
    yield Row("+ L_vi without generation + TDA", changed.rates, _published(_AUGMENTED))
    for name, (losses, published) in _JOINT.items():
        yield Row(name, _joint(study, settings, losses).rates, _published(published))


def _joint(study: Study, settings: GclSettings, losses: int) -> Trained:
    """GCL with the first so many of its view-invariant losses."""
    first = tuple(f"{name}=0" for name in _WEIGHTS)
    if losses == 0:
        return trained(study, Training("gcl", first))
    warm = settings.generator_from or _joint(study, settings, 0).folder
    return trained(
        study,
        Training("gcl", (*first[losses:], f"generator_from={warm}"), keeps_checkpoint=losses == 3),
    )


def _traditional(settings: GclSettings) -> tuple[str, ...]:
    """Section 5.4.3: flipping, cropping, jittering, erasing."""
    values = {"mirror": 0.5, "pad": max(1, settings.height * 10 // 256), "brightness": 0.2}
    values |= {"contrast": 0.15, "erase": 0.5}
    return tuple(f"augmentation.{name}={value}" for name, value in values.items())


def _quality(study: Study, settings: GclSettings, judge: Judge) -> Iterator[Row]:
    whole = _joint(study, settings, len(_WEIGHTS))
    spec = load_encoder(whole.folder / ENCODER).description.input
    for name, (distance, ssim) in _QUALITY.items():
        found: Quality | None = None
        if name == "Real":
            found = real_quality(study.data.train, spec, judge, study.seed)
        elif name == "GCL, without labels":
            found = _measured(study, whole, judge)
        figures = {judge.name: found.distance, "SSIM": found.ssim} if found else {}
        yield Row(name, figures, {"FID": distance, "SSIM": ssim})


def _measured(study: Study, whole: Trained, judge: Judge) -> Quality:
    """Measured once by each judge."""
    file = whole.folder / "views.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if judge.name not in found:
        quality = view_quality(load_views(whole.folder), study.data.train, judge, study.seed)
        found[judge.name] = quality._asdict()
        write_text(file, json.dumps(found) + "\n")
    return Quality(**found[judge.name])


def _published(figures: tuple[str, str]) -> dict[str, str]:
    return dict(zip(_SETS, figures, strict=True))
