"""The teacher of primary feature learning: what a baseline sees in a generated image.

Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification" (2019),
section 3.2: a network that was trained to tell the same identities apart gives each generated
image a soft label, depending on what it shows of either of its sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid_models import InputSpec, build
from reid_models.weights import read_encoder
from train.data import Augmentation, Crops, Sample
from train.errors import TrainError
from train.loop.checkpoint import NAME as CHECKPOINT
from train.loop.checkpoint import read_checkpoint

_METHOD = "baseline"
_LOOKED_AT = 128  # training images by which it is tried
_KNOWN = 0.5  # share of them that it must recognise


class Teacher(nn.Module):
    """Normalised images (N, 3, H, W) to probabilities (N, K) of the identities.

    It never learns and never changes to training mode: batch norm keeps its statistics.

    Args:
        network: gives embeddings.
        classifier: (K, D) weights.
        own: how the network wants its images.
        given: how they come.
    """

    _scales: Tensor

    def __init__(
        self, network: nn.Module, classifier: Tensor, own: InputSpec, given: InputSpec
    ) -> None:
        super().__init__()
        self.network = network
        self.classifier = nn.Parameter(classifier)
        self._size = (own.height, own.width)
        scales = torch.tensor([given.std, given.mean, own.std, own.mean])
        self.register_buffer("_scales", scales.view(4, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Teacher:
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """The mean of what it says of an image and of its mirror image."""
        own = self._as_own(images)
        views = [F.linear(self.network(view), self.classifier) for view in (own, own.flip(3))]
        return torch.stack([logits.softmax(dim=1) for logits in views]).mean(dim=0)

    def _as_own(self, images: Tensor) -> Tensor:
        given_std, given_mean, own_std, own_mean = self._scales.unbind()
        levels = images * given_std + given_mean
        if levels.shape[2:] != self._size:
            levels = F.interpolate(levels, self._size, mode="bilinear", antialias=True)
        return (levels - own_mean) / own_std


def load_teacher(file: Path, samples: Sequence[Sample], given: InputSpec) -> Teacher:
    """The teacher from a run of ``camtrail-train baseline`` on the same training images.

    Args:
        file: its ``encoder.safetensors``; its ``checkpoint.pt``, which has the classifier, must
            lie beside it.
        samples: the training images, for a trial.
        given: how images will come.

    Raises:
        TrainError: a file is missing, or the teacher knows other identities.
        EncoderError: the encoder file is damaged.
    """
    _, description = read_encoder(file)
    checkpoint = file.with_name(CHECKPOINT)
    identity, state = read_checkpoint(checkpoint)
    if identity.get("method") != _METHOD:
        raise TrainError(
            f"{checkpoint}: of the method {identity.get('method')}; a teacher is an encoder of "
            f"camtrail-train {_METHOD}, with its {CHECKPOINT} beside it"
        )
    weights: dict[str, Any] = state["models"]["model"]
    classifier = weights["classifiers.0.weight"]
    crops = Crops(samples, given, Augmentation())
    if len(classifier) != crops.classes:
        raise TrainError(
            f"teacher {file}: was trained on {len(classifier)} identities, but the data have "
            f"{crops.classes} to train; train a {_METHOD} on these data"
        )
    network = build(description.architecture, **description.arguments)
    prefix = "network."
    network.load_state_dict(
        {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    )
    teacher = Teacher(network, classifier, description.input, given)
    _try(teacher, crops, file)
    return teacher


def _try(teacher: Teacher, crops: Crops, file: Path) -> None:
    """Whether it knows these people, and not as many others."""
    step = -(-len(crops) // _LOOKED_AT)
    images, labels = zip(*(crops[i] for i in range(0, len(crops), step)), strict=True)
    guesses = teacher(torch.stack(images)).argmax(dim=1)
    known = (guesses == torch.tensor(labels)).float().mean().item()
    if known < _KNOWN:
        raise TrainError(
            f"teacher {file}: recognises {known:.0%} of the training images; it was trained on "
            f"other identities, or too short a time: train a {_METHOD} on these data"
        )
