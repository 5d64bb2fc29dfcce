"""What DG-Net's features are learned by, wherever the generated images come from.

Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification" (2019),
section 3.2; equations are that paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from reid_models import Description, InputSpec, build
from reid_models.networks.dgnet import DGNet, Pair
from reid_models.networks.network import Network
from reid_models.pretrained import load_backbone
from train.data import Augmentation, Crops, Draw, PKSampler, Sample
from train.errors import TrainError
from train.generation.adversarial import Objective
from train.generation.collapse import Collapse
from train.generation.teacher import Teacher, load_teacher
from train.loop import Method, Settings, Source
from train.loop.loop import Loop
from train.loop.optimizer import make_optimizer
from train.losses import LabelSmoothedCrossEntropy
from train.losses.reconstruction import parse_sum
from train.methods.supervised import EncoderSettings, classifier, shared


def _known_sum(text: str) -> str:
    """A reconstruction loss by name, or a sum of them; pydantic tells what a ValueError says."""
    try:
        parse_sum(text)
    except TrainError as error:
        raise ValueError(str(error)) from None
    return text


Weight = Annotated[float, Field(ge=0)]
_Sum = Annotated[str, AfterValidator(_known_sum)]
_Beta = Annotated[float, Field(ge=0, lt=1)]


class AdversarySettings(Settings):
    """What structure encoder with decoder, and the discriminator, have each of their own."""

    width: int = Field(ge=1, le=256)
    learning_rate: float = Field(gt=0)
    betas: tuple[_Beta, _Beta]


class GeneratorSettings(AdversarySettings):
    """Of structure encoder and decoder."""

    aspp: bool


class DGNetSettings(EncoderSettings):
    """The keys of ``dgnet.yaml``, which says what each means."""

    label_smoothing: float = Field(ge=0, lt=1)
    steps: int | None = Field(ge=1)
    identity_augmentation: Augmentation | None
    heads_rate: float = Field(gt=0)
    generator: GeneratorSettings
    discriminator: AdversarySettings
    adversarial: Objective
    gradient_penalty: Weight
    collapse: Collapse | None
    image_reconstruction: _Sum
    code_reconstruction: _Sum
    detach_appearance: bool
    judge_learns: bool
    lambda_image: Weight
    lambda_code: Weight
    lambda_identity: Weight
    lambda_generated_identity: Weight
    lambda_adversarial: Weight
    lambda_primary: Weight
    alpha: Weight
    feed_from: float = Field(ge=0)
    feed_ramp: float = Field(ge=0)
    ramp_codes: bool
    generated_by: str | None
    teacher: str | None
    pictures: int = Field(ge=0)


class Classifiers(nn.Module):
    """Two classifiers over the training identities, of primary and of fine-grained features.

    Args:
        network: makes the features.
        classes: identities.
    """

    def __init__(self, network: DGNet, classes: int) -> None:
        super().__init__()
        length = network.dimension // 2
        self.classifiers = nn.ModuleList(classifier(length, classes) for _ in range(2))

    def classify(self, network: DGNet, code: Tensor) -> Pair:
        """Logits (N, classes) of an appearance code."""
        heads = network.heads(code)
        primary, fine = (c(h) for c, h in zip(self.classifiers, heads, strict=True))
        return Pair(primary, fine)


class TwoViews(Dataset[tuple[Tensor, int]]):
    """``(image (6, H, W), label)``: one image changed in two ways, one above the other."""

    def __init__(self, first: Crops, second: Crops) -> None:
        self._first, self._second = first, second

    def __getitem__(self, index: Draw) -> tuple[Tensor, int]:
        image, label = self._first[index]
        return torch.cat([image, self._second[index][0]]), label


class DGNetFeatures(Method):
    """Batches, network and teacher; a subclass adds to ``models`` what learns, and ``updates``.

    Args:
        settings: see the YAML files.
        samples: to learn from.
        seed: of the batches; weights take torch's global generator.
        trained_on: for the encoder's description.
        teacher: in place of the one that the settings name.

    Raises:
        TrainError: settings, samples or teacher do not fit.
    """

    network: DGNet

    def __init__(
        self,
        settings: DGNetSettings,
        samples: Sequence[Sample],
        seed: int,
        trained_on: str,
        teacher: Teacher | None = None,
    ) -> None:
        self._settings = settings
        spec = InputSpec(height=settings.height, width=settings.width)
        crops = Crops(samples, spec, settings.augmentation)
        self._classes = crops.classes
        _check_siblings(crops.labels)
        self._draws = PKSampler(
            crops.labels,
            crops.cameras,
            shared(settings.identities_per_batch),
            settings.images_per_identity,
            seed,
            settings.steps,
        )
        images: Dataset[tuple[Tensor, int]] = crops
        if settings.identity_augmentation is not None:
            images = TwoViews(crops, Crops(samples, spec, settings.identity_augmentation))
        self._source = Source(samples, images, self._draws)
        # The embedding adds up mirror images within the network, before it weighs the features.
        arguments = {**settings.arguments, "mirror": settings.flip}
        self.network = _of_dgnet(build(settings.architecture, **arguments))
        load_backbone(self.network, settings.weights)
        self._teacher = teacher or _teacher(settings, samples, spec)
        self.models = {} if self._teacher is None else {"teacher": self._teacher}
        self.description = Description(
            input=spec,
            dimension=self.network.dimension,
            architecture=settings.architecture,
            arguments=arguments,
            trained_on=trained_on,
        )
        self._identity_loss = LabelSmoothedCrossEntropy(settings.label_smoothing)
        self._epoch, self._done = 1, 0

    def before_epoch(self, loop: Loop) -> None:
        if loop.accelerator.mixed_precision == "fp16":
            raise TrainError(
                "precision=fp16: gradients of images are too small for it; set bf16 or fp32"
            )

    def source(self, epoch: int) -> Source:
        self._draws.epoch = self._epoch = epoch
        self._done = 0
        return self._source

    def _feed(
        self, fed: Tensor, logits: Pair, structure_labels: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Equations 8 and 9, and their weighted sum: what generated images teach the encoder."""
        s = self._settings
        fine = self._identity_loss(logits.fine, structure_labels)
        primary = fine.new_zeros(())
        if self._teacher is not None:
            soft = self._teacher(fed.detach())
            primary = F.kl_div(logits.primary.log_softmax(1), soft, reduction="batchmean")
        taught = s.lambda_primary * (primary + s.alpha * fine)
        return {"primary": primary, "fine": fine}, taught

    def _pairs(self, images: int) -> tuple[Tensor, Tensor]:
        """Of each image, the number of another of the same person and of one of another."""
        each = self._settings.images_per_identity
        numbers = torch.arange(images).view(-1, each)
        turns = int(torch.randint(1, len(numbers), ()))
        return numbers.roll(-1, 1).flatten(), numbers.roll(turns, 0).flatten()

    def _ramp(self) -> float:
        """From 0 at ``feed_from`` epochs to 1 ``feed_ramp`` epochs later."""
        over = self._epoch - 1 + self._done / len(self._draws) - self._settings.feed_from
        ramp = self._settings.feed_ramp
        return float(over >= 0) * (min(1.0, over / ramp) if ramp else 1.0)


def encoder_optimizers(
    network: DGNet, model: Classifiers, settings: DGNetSettings
) -> list[torch.optim.Optimizer]:
    """Of the appearance encoder, and of its heads with the classifiers."""
    heads = nn.ModuleList([network.primary, network.fine, model.classifiers])
    faster = {"learning_rate": settings.learning_rate * settings.heads_rate}
    return [
        make_optimizer(network.trunk, settings),
        make_optimizer(heads, settings.model_copy(update=faster)),
    ]


def adversary_optimizer(settings: AdversarySettings, *networks: nn.Module) -> torch.optim.Optimizer:
    """Of what generates, or of what judges."""
    parameters = [p for network in networks for p in network.parameters()]
    return torch.optim.Adam(parameters, lr=settings.learning_rate, betas=settings.betas)


def _of_dgnet(network: Network) -> DGNet:
    if not isinstance(network, DGNet):
        raise TrainError(
            "the method dgnet trains the architecture dgnet; "
            "set arguments.backbone instead of architecture, or use the method baseline"
        )
    return network


def _check_siblings(labels: Sequence[int]) -> None:
    if len(set(labels)) == len(labels):
        raise TrainError(
            "every identity has one image only: DG-Net learns what is the same in two images of "
            "a person; use data with more images an identity"
        )


def _teacher(settings: DGNetSettings, samples: Sequence[Sample], spec: InputSpec) -> Teacher | None:
    if settings.teacher is not None:
        return load_teacher(Path(settings.teacher), samples, spec)
    if settings.lambda_primary > 0:
        raise TrainError(
            "teacher: primary feature learning needs one; train it with camtrail-train baseline "
            "on the same data and set teacher=RUN/encoder.safetensors, or set lambda_primary=0"
        )
    return None
