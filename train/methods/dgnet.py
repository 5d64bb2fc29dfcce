"""DG-Net: a generator of people and an encoder, each of which teaches the other.

Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification" (2019).
Equations are that paper's. For each image i of a batch, t is another image of the same person
and j one of another person; three images are generated: i from its own codes, i with the
appearance of t, and j with the appearance of i.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reid_models.generators import Discriminator
from reid_models.networks.dgnet import Pair
from train.data import Augmentation, Crops, Sample
from train.generation.adversarial import discriminator_loss, generator_loss, gradient_penalty
from train.generation.collapse import CollapseWatch
from train.generation.generator import Codes, Generator
from train.generation.pictures import sheets
from train.generation.teacher import Teacher
from train.loop import Batch, Update
from train.loop.optimizer import make_rate
from train.loop.recompute import statistics_kept
from train.losses.reconstruction import reconstruction_loss
from train.methods.dgnet_features import (
    Classifiers,
    DGNetFeatures,
    DGNetSettings,
    adversary_optimizer,
    encoder_optimizers,
)
from train.methods.supervised import accuracy

_SHOWN = 6  # people on the sheets of pictures


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


class DGNetMethod(DGNetFeatures):
    """Two updates in turn: encoders and decoder, then the discriminator.

    Args and errors are those of `DGNetFeatures`.
    """

    def __init__(
        self,
        settings: DGNetSettings,
        samples: Sequence[Sample],
        seed: int,
        trained_on: str,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__(settings, samples, seed, trained_on, teacher)
        spec = self.description.input
        self._generator = Generator(
            self.network, settings.generator.width, settings.generator.aspp, spec
        )
        model = DGNetModel(self._generator, self._classes, settings.detach_appearance)
        self._judge = Discriminator(settings.discriminator.width)
        self.models |= {"model": model, "discriminator": self._judge}
        self._collapse = CollapseWatch(settings.collapse) if settings.collapse else None
        if self._collapse is not None:
            self.models["collapse"] = self._collapse
        rate = make_rate(settings, settings.epochs)
        self.updates = [
            Update(
                [
                    *encoder_optimizers(self.network, model, settings),
                    adversary_optimizer(
                        settings.generator, self._generator.structure, self._generator.decoder
                    ),
                ],
                self.generate,
                rate,
            ),
            Update(
                [adversary_optimizer(settings.discriminator, self._judge)], self.discriminate, rate
            ),
        ]
        self._image_loss = reconstruction_loss(settings.image_reconstruction)
        self._code_loss = reconstruction_loss(settings.code_reconstruction)
        self._shown = _examples(Crops(samples, spec, Augmentation()))
        self._made = torch.empty(0)

    @property
    def doubtful(self) -> bool:
        return self._collapse is not None and self._collapse.doubtful

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
        # What the appearance encoder after the generated image and the discriminator say of it goes
        # back through the image, and changes neither of the two. Section 3.3 trains that encoder
        # too, in turn: with ``judge_learns`` it does so in the same step, the image held.
        appearance = self._code_loss(made.fed_code, made.codes.appearance.detach())
        generated_identity = self._identity_loss(made.fed_logits.primary, labels)
        adversarial = generator_loss(self._judge(made.fed), s.adversarial)
        seen = code_weight * appearance + s.lambda_generated_identity * generated_identity
        through = _through(seen + s.lambda_adversarial * adversarial, made.fed, made.cross)
        if s.judge_learns:
            through = through + seen - seen.detach()
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


def _through(judged: Tensor, fed: Tensor, cross: Tensor) -> Tensor:
    """The loss of ``fed`` as one of ``cross``, whose numbers are the same.

    Its gradient passes the image, and leaves the weights of those who judge the image as they
    are, without a second pass through them.
    """
    (gradient,) = torch.autograd.grad(judged, fed, retain_graph=True)
    passed = (cross * gradient).sum()
    return judged.detach() + passed - passed.detach()


def _examples(crops: Crops) -> tuple[Tensor, Tensor]:
    """Two images each of the first people that have two, (N, 3, H, W)."""
    of_label: dict[int, list[int]] = {}
    for number, label in enumerate(crops.labels):
        of_label.setdefault(label, []).append(number)
    chosen = [numbers for numbers in of_label.values() if len(numbers) > 1][:_SHOWN]
    first, second = (torch.stack([crops[n[i]][0] for n in chosen]) for i in (0, -1))
    return first, second
