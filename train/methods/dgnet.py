"""DG-Net: a generator of people and an encoder, each of which teaches the other.

Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification" (2019).
Equations are that paper's. For each image i of a batch, t is another image of the same person
and j one of another person; three images are generated: i from its own codes, i with the
appearance of t, and j with the appearance of i.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.utils.data import Dataset

from reid_models import Description, InputSpec, build
from reid_models.generators import Discriminator
from reid_models.networks.dgnet import DGNet, Pair
from reid_models.networks.network import Network
from reid_models.pretrained import load_backbone
from train.data import Augmentation, Crops, Draw, PKSampler, Sample
from train.errors import TrainError
from train.generation.adversarial import (
    Objective,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from train.generation.collapse import Collapse, CollapseWatch
from train.generation.generator import Codes, Generator
from train.generation.pictures import sheets
from train.generation.teacher import Teacher, load_teacher
from train.loop import Batch, Method, Settings, Source, Update
from train.loop.loop import Loop
from train.loop.optimizer import make_optimizer, make_rate
from train.loop.recompute import statistics_kept
from train.losses import LabelSmoothedCrossEntropy
from train.losses.reconstruction import reconstruction_loss
from train.methods.supervised import EncoderSettings, accuracy, classifier, shared

_SHOWN = 6  # people on the sheets of pictures

Weight = Annotated[float, Field(ge=0)]
_Beta = Annotated[float, Field(ge=0, lt=1)]


class _Adversary(Settings):
    """What structure encoder with decoder, and the discriminator, have each of their own."""

    width: int = Field(ge=1, le=256)
    learning_rate: float = Field(gt=0)
    betas: tuple[_Beta, _Beta]


class GeneratorSettings(_Adversary):
    """Of structure encoder and decoder."""

    aspp: bool


class DGNetSettings(EncoderSettings):
    """The keys of ``dgnet.yaml``, which says what each means."""

    label_smoothing: float = Field(ge=0, lt=1)
    steps: int | None = Field(ge=1)
    identity_augmentation: Augmentation | None
    heads_rate: float = Field(gt=0)
    generator: GeneratorSettings
    discriminator: _Adversary
    adversarial: Objective
    gradient_penalty: Weight
    collapse: Collapse | None
    image_reconstruction: str
    code_reconstruction: str
    detach_appearance: bool
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


class Made(NamedTuple):
    """What one pass through the generating side gives for N images.

    Attributes:
        codes: of the images.
        own: i from its own codes.
        sibling: i with the appearance of t.
        cross: j with the appearance of i.
        logits: of the real images, primary and fine-grained (N, K).
        fed: ``cross`` again, cut off from what made it.
        fed_code: appearance code of ``fed``.
        fed_logits: of ``fed``, primary and fine-grained.
        cross_structure: structure code of ``cross``.
    """

    codes: Codes
    own: Tensor
    sibling: Tensor
    cross: Tensor
    logits: Pair
    fed: Tensor
    fed_code: Tensor
    fed_logits: Pair
    cross_structure: Tensor


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


class DGNetModel(Classifiers):
    """The generator, and two classifiers over the training identities.

    Args:
        generator: encodes and generates.
        classes: identities.
        detach_appearance: whether nothing that is generated teaches the appearance encoder
            through the code that it was generated from.
    """

    def __init__(self, generator: Generator, classes: int, detach_appearance: bool) -> None:
        super().__init__(generator.network, classes)
        self.generator = generator
        self._detach = detach_appearance

    def forward(
        self, images: Tensor, changed: Tensor | None, sibling: Tensor, partner: Tensor
    ) -> Made:
        """Encode, generate, encode again.

        Args:
            images: (N, 3, H, W), normalised.
            changed: the same people's images for classification; None for ``images``.
            sibling: (N,) number of the image t of each.
            partner: (N,) number of the image j of each.
        """
        generator, network = self.generator, self.generator.network
        codes = generator.codes(images)
        seen = codes.appearance if changed is None else network.code(changed)
        appearance = codes.appearance.detach() if self._detach else codes.appearance
        structure = codes.structure
        sources = Codes(
            torch.cat([appearance, appearance[sibling], appearance]),
            torch.cat([structure, structure, structure[partner]]),
        )
        own, other, cross = generator.generate(sources).chunk(3)
        fed = cross.detach().requires_grad_()
        with statistics_kept(network):  # those of real images are what the encoder will meet
            fed_code = network.code(fed)
            fed_logits = self.classify(network, fed_code)
        return Made(
            Codes(appearance, structure),
            own,
            other,
            cross,
            self.classify(network, seen),
            fed,
            fed_code,
            fed_logits,
            generator.structure_of(cross),
        )


class TwoViews(Dataset[tuple[Tensor, int]]):
    """``(image (6, H, W), label)``: one image changed in two ways, one above the other."""

    def __init__(self, first: Crops, second: Crops) -> None:
        self._first, self._second = first, second

    def __getitem__(self, index: Draw) -> tuple[Tensor, int]:
        image, label = self._first[index]
        return torch.cat([image, self._second[index][0]]), label


class DGNetMethod(Method):
    """Two updates in turn: encoders and decoder, then the discriminator.

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
        self._generator = Generator(
            self.network, settings.generator.width, settings.generator.aspp, spec
        )
        model = DGNetModel(self._generator, crops.classes, settings.detach_appearance)
        self._judge = Discriminator(settings.discriminator.width)
        self.models = {"model": model, "discriminator": self._judge}
        self._teacher = teacher or _teacher(settings, samples, spec)
        if self._teacher is not None:
            self.models["teacher"] = self._teacher
        self._collapse = CollapseWatch(settings.collapse) if settings.collapse else None
        if self._collapse is not None:
            self.models["collapse"] = self._collapse
        rate = make_rate(settings, settings.epochs)
        self.updates = [
            Update(
                [
                    *encoder_optimizers(self.network, model, settings),
                    _adam(settings.generator, self._generator.structure, self._generator.decoder),
                ],
                self.generate,
                rate,
            ),
            Update([_adam(settings.discriminator, self._judge)], self.discriminate, rate),
        ]
        self.description = Description(
            input=spec,
            dimension=self.network.dimension,
            architecture=settings.architecture,
            arguments=arguments,
            trained_on=trained_on,
        )
        self._identity_loss = LabelSmoothedCrossEntropy(settings.label_smoothing)
        self._image_loss = reconstruction_loss(settings.image_reconstruction)
        self._code_loss = reconstruction_loss(settings.code_reconstruction)
        self._shown = _examples(Crops(samples, spec, Augmentation()))
        self._epoch, self._done, self._made = 1, 0, torch.empty(0)

    def before_epoch(self, loop: Loop) -> None:
        if loop.accelerator.mixed_precision == "fp16":
            raise TrainError(
                "precision=fp16: gradients of images are too small for it; set bf16 or fp32"
            )

    def source(self, epoch: int) -> Source:
        self._draws.epoch = self._epoch = epoch
        self._done = 0
        return self._source

    def generate(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 10 without the discriminator's side of equation 7."""
        s, labels = self._settings, batch.labels
        images, changed = batch.images[:, :3], batch.images[:, 3:]
        sibling, partner = self._pairs(len(images))
        made: Made = self.models["model"](
            images, changed if changed.shape[1] else None, sibling, partner
        )
        ramp = self._ramp()
        code_weight = s.lambda_code * (ramp if s.ramp_codes else 1)
        self._made = made.cross.detach()
        image = self._image_loss(made.own, images) + self._image_loss(made.sibling, images)
        structure = self._code_loss(made.cross_structure, made.codes.structure[partner])
        identity = sum(self._identity_loss(logits, labels) for logits in made.logits)
        # The appearance encoder after the generated image only judges it (section 3.3): what it
        # and the discriminator say goes back through the image, and changes neither of the two.
        appearance = self._code_loss(made.fed_code, made.codes.appearance.detach())
        generated_identity = self._identity_loss(made.fed_logits.primary, labels)
        adversarial = generator_loss(self._judge(made.fed), s.adversarial)
        judged = code_weight * appearance + s.lambda_generated_identity * generated_identity
        judged = judged + s.lambda_adversarial * adversarial
        through = _through(judged, made.fed, made.cross)
        loss = s.lambda_image * image + code_weight * structure + s.lambda_identity * identity
        losses = {
            "loss": loss + through,
            "image": image,
            "structure": structure,
            "appearance": appearance,
            "identity": identity,
            "generated_identity": generated_identity,
            "adversarial": adversarial,
        }
        if ramp > 0 and s.lambda_primary > 0:
            fed, taught = self._feed(made.fed, made.fed_logits, labels[partner])
            losses |= {"loss": losses["loss"] + ramp * taught, **fed}
        self._done += 1
        return losses | {"accuracy": accuracy(made.logits.primary, labels)}

    def discriminate(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 7 on the images that `generate` made, and the gradient penalty."""
        s = self._settings
        real = batch.images[:, :3].detach().requires_grad_()
        both = self.models["discriminator"](torch.cat([real, self._made]))
        of_real, of_generated = zip(*(scores.chunk(2) for scores in both), strict=True)
        loss = discriminator_loss(of_real, of_generated, s.adversarial)
        losses = {"loss": loss, "discriminator": loss}
        if s.gradient_penalty > 0:
            penalty = gradient_penalty(real, of_real)
            losses |= {"loss": loss + s.gradient_penalty * penalty, "penalty": penalty}
        if self._collapse is not None:
            self._collapse.look(loss, both, self._epoch)
        return losses

    def pictures(self, epoch: int) -> dict[str, npt.NDArray[np.uint8]]:
        every = self._settings.pictures
        if every == 0 or (epoch % every and epoch != self._settings.epochs):
            return {}
        return sheets(self._generator, *self._shown)

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


def _through(judged: Tensor, fed: Tensor, cross: Tensor) -> Tensor:
    """The loss of ``fed`` as one of ``cross``, whose numbers are the same.

    Its gradient passes the image, and leaves the weights of those who judge the image as they
    are, without a second pass through them.
    """
    (gradient,) = torch.autograd.grad(judged, fed, retain_graph=True)
    passed = (cross * gradient).sum()
    return judged.detach() + passed - passed.detach()


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


def _adam(settings: _Adversary, *networks: nn.Module) -> Adam:
    parameters = [p for network in networks for p in network.parameters()]
    return Adam(parameters, lr=settings.learning_rate, betas=settings.betas)


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


def _examples(crops: Crops) -> tuple[Tensor, Tensor]:
    """Two images each of the first people that have two, (N, 3, H, W)."""
    of_label: dict[int, list[int]] = {}
    for number, label in enumerate(crops.labels):
        of_label.setdefault(label, []).append(number)
    chosen = [numbers for numbers in of_label.values() if len(numbers) > 1][:_SHOWN]
    first, second = (torch.stack([crops[n[i]][0] for n in chosen]) for i in (0, -1))
    return first, second
