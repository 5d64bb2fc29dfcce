"""Tables 2 and 4 of Ainam et al., "Sparse Label Smoothing for Semi-supervised Person
Re-Identification"."""

from __future__ import annotations

from collections.abc import Iterator

from train.ablate.rows import Study, Trained, Training, trained
from train.ablate.tables import Plan, Row, Table, growing
from train.evaluation import How, embed_data
from train.evaluation.measure import make_search

_PAPER = "Published: Ainam et al., Sparse Label Smoothing, "
_RESNET, _DENSENET = "Market-1501, ResNet-50", "Market-1501, DenseNet-121"
_MARKET_IMAGES = 12_936  # that the published numbers of generated images come with

_LABELS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "real images alone": (
        ("generated=0", "noise_layer=none", "label_smoothing=0.0"),
        {_RESNET: "87.29 / 69.70", _DENSENET: "90.05 / 74.16"},
    ),
    "LSR: their labels smoothed": (
        ("generated=0", "noise_layer=none", "label_smoothing=0.1"),
        {},
    ),
    "LSRO: generated images of all identities alike": (
        ("generated_labels=uniform", "noise_layer=none"),
        {_RESNET: "83.97 / 66.07"},
    ),
    "SLSR: of the identities of their cluster": (
        ("generated_labels=sparse", "noise_layer=feature"),
        {_RESNET: "89.16 / 75.15", _DENSENET: "92.43 / 79.08"},
    ),
    "SLSR, noise layer on the logits": (("generated_labels=sparse", "noise_layer=logits"), {}),
    "SLSR without a noise layer": (("generated_labels=sparse", "noise_layer=none"), {}),
}
# Table 2: Rank-1 / mAP for 2, 3 and 4 clusters.
_NUMBERS = {
    12_000: ("93.41 / 90.15", "93.82 / 90.20", "93.02 / 89.89"),
    18_000: ("92.87 / 89.59", "92.96 / 89.54", "93.32 / 89.26"),
    24_000: ("93.20 / 89.41", "92.70 / 89.01", "92.42 / 88.99"),
    30_000: ("93.02 / 89.51", "93.08 / 89.00", "92.66 / 88.65"),
    36_000: ("92.31 / 88.51", "92.78 / 88.13", "92.27 / 88.55"),
}


def slsr_tables(study: Study) -> Iterator[list[Table]]:
    """The tables as far as they are filled, again after each row."""
    return growing(
        [
            Plan(
                "Labels of generated images",
                f"{_PAPER}table 4: Rank-1 / mAP in per cent. LSRO's figures are from another "
                "baseline.",
                _labels(study),
            ),
            Plan(
                "Numbers of clusters and of generated images",
                f"{_PAPER}table 2: Rank-1 / mAP in per cent on Market-1501 with DenseNet-121, "
                f"re-ranked. A row's number of images belongs to Market-1501's {_MARKET_IMAGES:,} "
                "training images; here it is in proportion to those of the data.",
                _numbers(study),
            ),
        ]
    )


def _labels(study: Study) -> Iterator[Row]:
    """All from the same generated images, so that nothing but their labels differs."""
    maker: Trained | None = None
    for name, (changes, published) in _LABELS.items():
        if maker is not None:
            changes = (*changes, f"images_from={maker.folder}")
        run = trained(study, Training("slsr", changes))
        if (run.folder / "steps").is_dir():
            maker = run
        yield Row(name, run.rates, published)


def _numbers(study: Study) -> Iterator[Row]:
    for number, figures in _NUMBERS.items():
        images = round(number * len(study.data.train) / _MARKET_IMAGES)
        for clusters, published in zip((2, 3, 4), figures, strict=True):
            changes = (f"clusters={clusters}", f"generated={max(images, clusters)}")
            run = trained(study, Training("slsr", changes))
            yield Row(
                f"{clusters} clusters, {number:,} images",
                {**run.rates, **_reranked(run)},
                {"re-ranked": published},
            )


def _reranked(run: Trained) -> dict[str, float]:
    encoder, data = run.encoder(), run.data
    query, gallery = (embed_data(encoder, part) for part in (data.query, data.gallery))
    ranking = make_search(query, gallery, data, How(rerank=True)).ranking()
    return {
        "Rank-1, re-ranked": float(ranking.cmc[0]),
        "mAP, re-ranked": ranking.mean_average_precision,
    }
