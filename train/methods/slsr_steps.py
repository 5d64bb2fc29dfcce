"""SLSR's first two steps: clusters of the training images, and a DCGAN for each.

Ainam et al., "Sparse Label Smoothing for Semi-supervised Person Re-Identification", algorithm 1.
Everything lies in ``RUN/steps``: ``features`` and ``dcgan-1``, ``dcgan-2`` ... are runs of their
own with a checkpoint after each epoch; ``clusters.json`` says what is in which cluster;
``generated/cluster-1`` ... hold the images, and ``quality.json`` says how real they look. What is
there is not done again, and ``images_from`` names another run that has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader

from reid_models import InputSpec
from reid_models.generators.dcgan import DCGANGenerator
from reid_models.networks.network import Network
from train.data import Augmentation, Crops, Sample
from train.errors import TrainError
from train.files import write_text
from train.generation.clusters import cluster, silhouettes
from train.generation.dcgan import DCGANMethod, check_enough, write_images
from train.generation.fid import frechet_distance
from train.loop import LoopSettings
from train.loop.validation import with_weights
from train.methods.baseline import BaselineMethod
from train.methods.slsr import Generated, SlsrMethod, SlsrSettings
from train.methods.steps import Steps, fitted

_TRIED = range(2, 6)  # numbers of clusters whose silhouette is shown
_BATCH = 64


def slsr_after_steps(
    run: Steps,
) -> Callable[[SlsrSettings, Sequence[Sample], int, str], SlsrMethod]:
    """The third step, knowing what the first two made; errors as of `make_generated`."""
    return partial(SlsrMethod, generated=make_generated(run))


def make_generated(run: Steps) -> Generated | None:
    """Do what is left of both steps; None where no images are to be generated.

    Raises:
        TrainError: the run was begun with other settings, there are too few images for a cluster
            or its DCGAN, a loss is no longer a number, a discriminator has collapsed, or the run
            that the images are from has no such images.
    """
    if not run.settings.generated:
        return None
    if run.settings.images_from is not None:
        return _made_elsewhere(run, Path(run.settings.images_from) / "steps")
    run.begin()
    file = run.steps / "clusters.json"
    if not file.exists():
        run.say(f"step 1 of 3: a first CNN on {len(run.samples)} images")
        network = _first_cnn(run)
        run.first(file, lambda: _find_clusters(run, network, file))
    groups = _groups(run, file)
    made = _images_of(run, groups)
    quality = run.steps / "quality.json"
    if not quality.exists():
        network = _first_cnn(run)
        run.first(quality, lambda: _measure(run, network, groups, made.samples, quality))
    run.say(f"step 3 of 3: {len(run.samples)} real and {len(made.samples)} generated images")
    return made


def _made_elsewhere(run: Steps, steps: Path) -> Generated:
    """What another run made of the same images."""
    settings = run.settings
    file, folder = steps / "clusters.json", steps / "generated"
    clusters = sorted(folder.glob("cluster-*"), key=lambda path: int(path.name.split("-")[1]))
    made = [
        Sample(path, number, camera=0)
        for number, cluster in enumerate(clusters, start=1)
        for path in sorted(cluster.iterdir())
    ]
    if (len(clusters), len(made)) != (settings.clusters, settings.generated):
        raise TrainError(
            f"images_from={settings.images_from}: {folder} has {len(made)} images in "
            f"{len(clusters)} clusters; let that run end, and set clusters and generated as there"
        )
    if _content(file).get("data") != run.identity["data"]:
        raise TrainError(
            f"images_from={settings.images_from}: was made of other data; name a run of slsr on "
            "these"
        )
    run.say(f"{len(run.samples)} real images, and {len(made)} from {folder}")
    return Generated(made, _identities(_groups(run, file)))


def _groups(run: Steps, file: Path) -> list[list[Sample]]:
    """The images of each cluster."""
    clusters = _content(file)["clusters"]
    return [
        [sample for sample, own in zip(run.samples, clusters, strict=True) if own == number]
        for number in range(run.settings.clusters)
    ]


def _identities(groups: Sequence[Sequence[Sample]]) -> list[set[int]]:
    return [{sample.identity for sample in group} for group in groups]


def _content(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _first_cnn(run: Steps) -> Network:
    settings = run.settings.first_step()
    make = partial(BaselineMethod, settings, run.samples, run.seed, "")
    method, weights = fitted(run, make, settings, run.steps / "features")
    network = with_weights(method.description, weights).to(run.accelerator.device)
    assert isinstance(network, Network)
    return network.eval()


def _find_clusters(run: Steps, network: Network, file: Path) -> None:
    """Cluster by the last feature map, and show how well other numbers of clusters part."""
    features = map_features(run, network, run.samples)
    clusters = cluster(features, run.settings.clusters, run.seed)
    tried = {run.settings.clusters: clusters}
    for number in _TRIED:
        with suppress(TrainError):  # one that leaves a cluster empty has no silhouette
            tried.setdefault(number, cluster(features, number, run.seed))
    tried.pop(1, None)  # nor has a single one
    shown = dict(sorted(zip(tried, silhouettes(features, list(tried.values())), strict=True)))
    figures = ", ".join(f"{value:.4f} for {number}" for number, value in shown.items())
    sizes = ", ".join(map(str, np.bincount(clusters)))
    run.say(f"mean silhouette: {figures} clusters; images in the {len(set(clusters))}: {sizes}")
    content = {
        "data": run.identity["data"],
        "silhouettes": shown,
        "clusters": clusters.tolist(),
    }
    write_text(file, json.dumps(content) + "\n")


@torch.no_grad()
def map_features(
    run: Steps, network: Network, samples: Sequence[Sample]
) -> npt.NDArray[np.float32]:
    """The mean over the positions of the last feature map, (N, C) (section 4.2)."""
    spec = InputSpec(height=run.settings.height, width=run.settings.width)
    crops = Crops(samples, spec, Augmentation())
    parts = [
        network.maps(images.to(run.accelerator.device)).mean(dim=(2, 3)).float().cpu()
        for images, _ in DataLoader(crops, batch_size=_BATCH)
    ]
    return torch.cat(parts).numpy()


def _images_of(run: Steps, groups: Sequence[Sequence[Sample]]) -> Generated:
    settings = run.settings
    for number, group in enumerate(groups, start=1):
        check_enough(len(group), settings.dcgan, f"cluster {number} of {len(groups)}")
    shares = in_proportion(settings.generated, [len(group) for group in groups])
    made: list[Sample] = []
    for number, (group, share) in enumerate(zip(groups, shares, strict=True), start=1):
        folder = run.steps / "generated" / f"cluster-{number}"
        if not folder.exists():
            run.say(f"step 2 of 3: a DCGAN on the {len(group)} images of cluster {number}")
            _generate(run, group, share, folder)
        made += [Sample(path, number, camera=0) for path in sorted(folder.iterdir())]
    return Generated(made, _identities(groups))


def _generate(run: Steps, group: Sequence[Sample], number: int, folder: Path) -> None:
    settings = run.settings.dcgan
    make = partial(DCGANMethod, settings, group, run.seed)
    work = run.steps / folder.name.replace("cluster", "dcgan")
    try:
        method, weights = fitted(run, make, _loop_settings(run.settings), work)
    except TrainError as error:
        raise TrainError(f"{folder.name}, settings of dcgan: {error}") from None
    generator = method.network
    assert isinstance(generator, DCGANGenerator)
    generator.load_state_dict(weights)
    run.first(folder, lambda: write_images(generator, number, run.seed, folder))


def _measure(
    run: Steps,
    network: Network,
    groups: Sequence[Sequence[Sample]],
    made: Sequence[Sample],
    file: Path,
) -> None:
    """How near generated images come to the real ones of their cluster, in the space of the first
    CNN, which no DCGAN has seen. Too high for few images, so that it compares alike runs only."""
    found = []
    for number, group in enumerate(groups, start=1):
        own = [sample for sample in made if sample.identity == number]
        figures: dict[str, Any] = {"cluster": number, "real": len(group), "generated": len(own)}
        figures["identities"] = len({sample.identity for sample in group})
        if len(own) > 1:
            real, generated = (map_features(run, network, part) for part in (group, own))
            figures["frechet_distance"] = round(frechet_distance(real, generated), 4)
        found.append(figures)
        run.say(", ".join(f"{name} {value}" for name, value in figures.items()))
    write_text(file, json.dumps(found, indent=2) + "\n")


def _loop_settings(settings: SlsrSettings) -> LoopSettings:
    return LoopSettings(
        epochs=settings.dcgan.epochs,
        precision=settings.precision,
        accumulation=1,
        gradient_checkpointing=False,
        ema=None,
        validation=None,
        workers=settings.workers,
    )


def in_proportion(total: int, sizes: Sequence[int]) -> list[int]:
    """Whole numbers in proportion to ``sizes`` that add up to ``total``, each at least 1.

    What rounding leaves goes to the largest remainders, of equal ones to the first.

    Args:
        total: at least as many as there are sizes.
        sizes: above 0.
    """
    spare = total - len(sizes)
    exact = [spare * size / sum(sizes) for size in sizes]
    shares = [int(value) for value in exact]
    order = sorted(range(len(sizes)), key=lambda place: shares[place] - exact[place])
    for place in order[: spare - sum(shares)]:
        shares[place] += 1
    return [1 + share for share in shares]
