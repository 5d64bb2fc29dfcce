"""GCL's generative module, and its warm-up while the identity encoder stands still.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 5.3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from reid_models import InputSpec
from reid_models.generators import Discriminator
from train.data import Augmentation, Crops, Draw, Sample
from train.data.shuffled import Shuffled
from train.errors import TrainError
from train.generation.adversarial import discriminator_loss, generator_loss, gradient_penalty
from train.generation.collapse import CollapseWatch
from train.generation.generator import Codes
from train.generation.views import Identity, ViewGenerator, view_sheet
from train.loop import Batch, Method, Source, Update
from train.loop.checkpoint import NAME as CHECKPOINT
from train.loop.checkpoint import read_checkpoint
from train.loop.loop import Loop
from train.loop.recompute import statistics_kept
from train.losses import reconstruction_loss
from train.methods.dgnet_features import adversary_optimizer
from train.methods.gcl_settings import (
    GclSettings,
    blind_samples,
    identity_encoder,
    structure_maps,
)
from train.structure.folder import TURNS, StructureMaps

_SHOWN = 6  # people on the sheet of pictures
_KINDS = 3  # of generated images: in their own structure, in a new one, and there and back


class Seen(NamedTuple):
    """What a batch of `ViewImages` holds.

    Attributes:
        images: (N, 3, H, W) as they are.
        changed: (N, 3, H, W) the same, changed for contrast; the same tensor where nothing is.
        maps: (N, 2, H, W) their structure, as it is and turned.
    """

    images: Tensor
    changed: Tensor
    maps: Tensor


class ViewImages(Dataset[tuple[Tensor, int]]):
    """``(image (C, H, W), label)``: an image, the same changed if the settings change images, its
    structure map and that of a turn drawn at random, one above the other; see `split`."""

    def __init__(
        self,
        settings: GclSettings,
        samples: Sequence[Sample],
        maps: StructureMaps,
        spec: InputSpec,
    ) -> None:
        self._samples, self._maps, self._spec = samples, maps, spec
        self._plain = Crops(samples, spec, Augmentation())
        self._changed: Crops | None = None
        if settings.changes_images:
            self._changed = Crops(samples, spec, settings.augmentation)

    def __getitem__(self, index: Draw) -> tuple[Tensor, int]:
        image, label = self._plain[index]
        parts = [image] if self._changed is None else [image, self._changed[index][0]]
        turn = TURNS[1 + index.seed % (len(TURNS) - 1)]
        return torch.cat([*parts, *(self._map(index.image, t) for t in (0, turn))]), label

    def shown(self) -> tuple[Tensor, Tensor]:
        """A few images (N, 3, H, W), and their structure from all sides (N, S, H, W)."""
        places = np.linspace(0, len(self._samples) - 1, min(_SHOWN, len(self._samples)), dtype=int)
        images = torch.stack([self._plain[int(place)][0] for place in places])
        maps = [torch.cat([self._map(int(place), turn) for turn in TURNS]) for place in places]
        return images, torch.stack(maps)

    def _map(self, place: int, turn: int) -> Tensor:
        return self._maps.read(self._samples[place], turn, self._spec.height, self._spec.width)


def split(batch: Tensor) -> Seen:
    """The parts of a batch of `ViewImages`."""
    images = batch[:, :3]
    return Seen(images, batch[:, 3:6] if batch.shape[1] > 5 else images, batch[:, -2:])


class Made(NamedTuple):
    """What one pass through the generating side gives for N images.

    Attributes:
        identity: of the images.
        row: (N, D) embedding of the changed images.
        own: each image in its own structure (x'_ori in the document).
        new: in a new one (x'_new).
        of_new: the identity of ``new``.
        cycle: of ``new``, back in its own structure (x''_ori).
        of_cycle: the identity of ``cycle``.
    """

    identity: Identity
    row: Tensor
    own: Tensor
    new: Tensor
    of_new: Identity
    cycle: Tensor
    of_cycle: Identity


class ViewModel(nn.Module):
    """A generator, there and back.

    Args:
        generator: generates.
        frozen: whether the identity encoder stands still.
    """

    def __init__(self, generator: ViewGenerator, frozen: bool) -> None:
        super().__init__()
        self.generator = generator
        self._frozen = frozen
        if frozen:
            generator.network.requires_grad_(False)

    def train(self, mode: bool = True) -> ViewModel:
        super().train(mode)
        if self._frozen:
            self.generator.network.eval()
        return self

    def forward(self, images: Tensor, changed: Tensor | None, maps: Tensor) -> Made:
        """Encode, generate, encode again, generate again; ``changed`` is None where it is
        ``images``."""
        generator = self.generator
        identity = generator.identity_of(images)
        row = identity.row if changed is None else generator.identity_of(changed).row
        structure = generator.structure_of(torch.cat([maps[:, :1], maps[:, 1:]]))
        codes = Codes(torch.cat([identity.code, identity.code]), structure)
        own, new = generator.generate(codes).chunk(2)
        with statistics_kept(generator):  # those of real images are what it will meet
            of_new = generator.identity_of(new)
            cycle = generator.generate(Codes(of_new.code, structure[: len(images)]))
            of_cycle = generator.identity_of(cycle)
        return Made(identity, row, own, new, of_new, cycle, of_cycle)


class ViewGeneration(Method):
    """What warm-up and joint training have in common.

    Args:
        settings: see ``gcl.yaml``.
        samples: to learn from; their identities are not looked at.
        trained_on: for the encoder's description.
        frozen: whether the identity encoder stands still.

    Raises:
        TrainError: settings, samples or structure maps do not fit.
        EncoderError: see `identity_encoder`.
    """

    def __init__(
        self, settings: GclSettings, samples: Sequence[Sample], trained_on: str, frozen: bool
    ) -> None:
        self._settings = settings
        self.samples = blind_samples(settings, samples)
        self.network, self.description = identity_encoder(settings, trained_on)
        spec = self.description.input
        self._generator = ViewGenerator(
            self.network, settings.parts, settings.generator.width, spec
        )
        self._judge = Discriminator(settings.discriminator.width)
        self.models = {
            "model": ViewModel(self._generator, frozen),
            "discriminator": self._judge,
        }
        self._collapse = CollapseWatch(settings.collapse) if settings.collapse else None
        if self._collapse is not None:
            self.models["collapse"] = self._collapse
        self.images = ViewImages(settings, self.samples, structure_maps(settings), spec)
        self._shown = self.images.shown()
        self._reconstruction = reconstruction_loss("l1")
        self._made = torch.empty(0)
        self._epoch = 1

    @property
    def doubtful(self) -> bool:
        return self._collapse is not None and self._collapse.doubtful

    def before_epoch(self, loop: Loop) -> None:
        if loop.accelerator.mixed_precision == "fp16":
            raise TrainError(
                "precision=fp16: gradients of images are too small for it; set bf16 or fp32"
            )
        self._epoch = loop.epoch

    def make(self, batch: Batch) -> tuple[Made, dict[str, Tensor]]:
        """Generate, with the losses of equation 5.4; ``loss`` is their weighted sum."""
        s, seen = self._settings, split(batch.images)
        made: Made = self.models["model"](
            seen.images, seen.changed if s.changes_images else None, seen.maps
        )
        fakes = torch.cat([made.own, made.new, made.cycle])
        self._made = fakes.detach()
        losses = {
            "image": self._image_loss(made, seen.images),
            "code": self._code_loss(made),
            "adversarial": _KINDS * generator_loss(self._judge(fakes), s.adversarial),
        }
        total = s.lambda_image * losses["image"] + s.lambda_code * losses["code"]
        return made, {"loss": total + s.lambda_adversarial * losses["adversarial"], **losses}

    def _image_loss(self, made: Made, images: Tensor) -> Tensor:
        """Equation 5.1."""
        own, cycle = (self._reconstruction(image, images) for image in (made.own, made.cycle))
        return torch.stack([own, cycle]).sum()

    def _code_loss(self, made: Made) -> Tensor:
        """Equation 5.2; the code that the others shall be like gets no gradient."""
        target = made.identity.code.detach()
        codes = (made.of_new.code, made.of_cycle.code)
        return torch.stack([self._reconstruction(code, target) for code in codes]).sum()

    def discriminate(self, batch: Batch) -> dict[str, Tensor]:
        """Equation 5.3 on what `make` has made: real images count once for each kind of them."""
        s = self._settings
        real = batch.images[:, :3].detach().requires_grad_()
        both = self.models["discriminator"](torch.cat([real, self._made]))
        of_real, of_made = zip(*((b[: len(real)], b[len(real) :]) for b in both), strict=True)
        loss = _KINDS * discriminator_loss(of_real, of_made, s.adversarial)
        losses = {"loss": loss, "discriminator": loss}
        if s.gradient_penalty > 0:
            penalty = gradient_penalty(real, of_real)
            losses |= {"loss": loss + s.gradient_penalty * penalty, "penalty": penalty}
        if self._collapse is not None:
            self._collapse.look(loss / _KINDS, both, self._epoch)
        return losses

    def adversaries(self) -> tuple[Optimizer, Optimizer]:
        """Optimisers of structure encoder and decoder, and of the discriminator."""
        s = self._settings
        made_by = nn.ModuleList([self._generator.structure, self._generator.decoder])
        return adversary_optimizer(s.generator, made_by), adversary_optimizer(
            s.discriminator, self._judge
        )

    def pictures(self, epoch: int) -> dict[str, npt.NDArray[np.uint8]]:
        every = self._settings.pictures
        if every == 0 or (epoch % every and epoch != self._last_epoch()):
            return {}
        return {"views": view_sheet(self._generator, *self._shown)}

    def _last_epoch(self) -> int:
        return self._settings.epochs


class GeneratorWarmUp(ViewGeneration):
    """Equation 5.4 for all but the identity encoder; args and errors as of `ViewGeneration`."""

    def __init__(self, settings: GclSettings, samples: Sequence[Sample], seed: int) -> None:
        super().__init__(settings, samples, "", frozen=True)
        self._draws = Shuffled(len(self.samples), settings.batch, seed, settings.steps)
        self._source = Source(self.samples, self.images, self._draws)
        generator, discriminator = self.adversaries()
        self.updates = [
            Update([generator], lambda batch: self.make(batch)[1], _constant),
            Update([discriminator], self.discriminate, _constant),
        ]

    def source(self, epoch: int) -> Source:
        self._draws.epoch = epoch
        return self._source

    def _last_epoch(self) -> int:
        return self._settings.generator_epochs


class Warm(NamedTuple):
    """Weights of a generator and of a discriminator, by name."""

    generator: dict[str, Tensor]
    discriminator: dict[str, Tensor]


def warm_weights(run: Path) -> Warm:
    """What the first step of a run of GCL has learnt.

    Raises:
        TrainError: there is none.
    """
    _, state = read_checkpoint(run / "steps" / "generator" / CHECKPOINT)
    try:
        models = state["models"]
        prefix = "generator."
        learnt = {
            name.removeprefix(prefix): value
            for name, value in models["model"].items()
            if not name.startswith(f"{prefix}network.")
        }
        return Warm(learnt, models["discriminator"])
    except KeyError as error:
        raise TrainError(f"{run}: has no generator of GCL ({error} is missing)") from None


def _constant(epoch: float) -> float:
    return 1.0
