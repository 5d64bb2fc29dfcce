"""GCL: a generator turns people round, and an encoder learns to know them from every side.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), chapter 5. An encoder that
another method without labels has trained (`train.methods.gcl_settings`) is made better. Structure
encoder, decoder and discriminator are warmed up while it stands still
(`train.methods.gcl_generation`); then all learn together, the encoder also by contrast with a
memory of all images (`train.methods.gcl_contrast`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from train.data import Crops, Sample
from train.errors import TrainError
from train.loop import Batch, Method, Source, Update
from train.loop.loop import Loop
from train.loop.optimizer import make_optimizer, make_rate
from train.losses import ViewContrast
from train.methods.gcl_contrast import Contrast
from train.methods.gcl_generation import GeneratorWarmUp, ViewGeneration, Warm, warm_weights
from train.methods.gcl_settings import (
    GclSettings,
    blind_samples,
    identity_encoder,
    structure_maps,
    usable,
)
from train.methods.steps import Steps, fitted
from train.methods.unsupervised import Judge
from train.unsupervised.quality import cluster_quality


class GclMethod(ViewGeneration):
    """Equation 5.9: generation (5.4) and the three view-invariant losses (5.6 to 5.8).

    Args:
        settings: see ``gcl.yaml``.
        samples: to learn from; their identities are not looked at.
        seed: of the batches; weights take torch's global generator.
        trained_on: for the encoder's description.
        warm: generator and discriminator to begin with; None for random ones.
        judge: see `Contrast`.

    Raises:
        TrainError: settings, samples, structure maps or warm weights do not fit.
        EncoderError: see `identity_encoder`.
    """

    def __init__(
        self,
        settings: GclSettings,
        samples: Sequence[Sample],
        seed: int,
        trained_on: str,
        warm: Warm | None = None,
        judge: Judge | None = None,
    ) -> None:
        super().__init__(settings, samples, trained_on, frozen=False)
        if warm is not None:
            self._begin_with(warm)
        spec, dimension = self.description.input, self.description.dimension
        self._contrast = Contrast(settings, self.samples, spec, dimension, seed, judge)
        self.models["memory"] = self._contrast.memory
        self._source = Source(self.samples, self.images, self._contrast.draws)
        rate = make_rate(settings, settings.epochs)
        generator, discriminator = self.adversaries()
        encoder = make_optimizer(self.network, settings)
        self.updates = [
            Update([encoder, generator], self.learn, rate),
            Update([discriminator], self.discriminate, rate),
        ]
        self._view_loss = ViewContrast(settings.tau)

    def before_epoch(self, loop: Loop) -> None:
        super().before_epoch(loop)
        self._contrast.begin(loop, self.network)

    def source(self, epoch: int) -> Source:
        return self._source

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 5.9 without the discriminator's side of equation 5.3."""
        s = self._settings
        made, losses = self.make(batch)
        image, new = made.row, made.of_new.row
        positive, memory, negatives = self._contrast.compared(batch)
        contrasts = {
            "view": self._view_loss(image, positive, new, memory, negatives),
            "view_image": self._view_loss(new, image, new, memory, negatives),
            "view_memory": self._view_loss(new, positive, new, memory, negatives),
        }
        loss = losses["loss"] + s.lambda_view * contrasts["view"]
        loss = loss + s.lambda_view_image * contrasts["view_image"]
        loss = loss + s.lambda_view_memory * contrasts["view_memory"]
        self._contrast.remember(batch, image)
        return losses | {"loss": loss, **contrasts, **self._contrast.figures}

    def _begin_with(self, warm: Warm) -> None:
        try:
            missing, unexpected = self._generator.load_state_dict(warm.generator, strict=False)
            self._judge.load_state_dict(warm.discriminator)
        except RuntimeError as error:
            reason = str(error).partition("\n")[2].strip()
            raise TrainError(f"the warm generator is of another size: {reason}") from None
        strange = [name for name in missing if not name.startswith("network.")] + unexpected
        if strange:
            raise TrainError(f"the warm generator is of another kind ({strange[0]})")


class MemoryContrast(Method):
    """The contrastive module alone (table 5.3, without the generator): equation 5.6 with the image
    itself in place of the generated view.

    Args and errors are those of `GclMethod`.
    """

    def __init__(
        self,
        settings: GclSettings,
        samples: Sequence[Sample],
        seed: int,
        trained_on: str,
        judge: Judge | None = None,
    ) -> None:
        self._settings = settings
        images = blind_samples(settings, samples)
        self.network, self.description = identity_encoder(settings, trained_on)
        spec, dimension = self.description.input, self.description.dimension
        self._contrast = Contrast(settings, images, spec, dimension, seed, judge)
        self.models = {"model": self.network, "memory": self._contrast.memory}
        crops = Crops(images, spec, settings.augmentation)
        self._source = Source(images, crops, self._contrast.draws)
        rate = make_rate(settings, settings.epochs)
        self.updates = [Update([make_optimizer(self.network, settings)], self.learn, rate)]
        self._view_loss = ViewContrast(settings.tau)

    def before_epoch(self, loop: Loop) -> None:
        self._contrast.begin(loop, self.network)

    def source(self, epoch: int) -> Source:
        return self._source

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """The contrast with the memory."""
        rows = self.models["model"](batch.images)
        positive, memory, negatives = self._contrast.compared(batch)
        loss = self._view_loss(rows, positive, rows, memory, negatives)
        self._contrast.remember(batch, rows)
        return {"loss": loss, **self._contrast.figures}


def gcl_after_warm_up(run: Steps) -> Callable[..., Method]:
    """The joint training, with a generator that is warm; or the contrast alone.

    Raises:
        TrainError: see `GclMethod`.
    """
    settings: GclSettings = run.settings
    if not settings.generate:
        return partial(MemoryContrast, judge=_judge(run))
    maps = structure_maps(settings)
    having, lacking = maps.split(run.samples)
    if lacking and run.accelerator.is_main_process:
        print(
            f"note: {len(lacking)} of the {len(run.samples)} images have no structure maps, such "
            f"as {lacking[0].path.name}; they are not learnt from",
            file=sys.stderr,
        )
    if settings.generator_from is not None:
        warm = warm_weights(Path(settings.generator_from))
        return partial(GclMethod, warm=warm, judge=_judge(run))
    run.begin()
    run.say(f"step 1 of 2: a generator of {len(having)} images from all sides")
    own = replace(run, identity=run.identity | {"structure": maps.fingerprint()})
    first = settings.model_copy(update={"epochs": settings.generator_epochs, "ema": None})
    make = partial(GeneratorWarmUp, settings, run.samples, run.seed)
    fitted(own, make, first, run.steps / "generator")
    run.accelerator.wait_for_everyone()  # the first process has written what all read now
    run.say("step 2 of 2: generator and encoder together")
    return partial(GclMethod, warm=warm_weights(run.out), judge=_judge(run))


def _judge(run: Steps) -> Judge:
    """Compares clusters with the data's own identities."""
    people = [sample.identity for sample in usable(run.settings, run.samples)]
    return partial(cluster_quality, people)
