"""What GCL is set by, and the encoder that it begins with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from reid_models import Description, InputSpec, build
from reid_models.networks.network import Network
from reid_models.pretrained import load_backbone
from reid_models.weights import read_encoder
from train.data import Sample
from train.errors import TrainError
from train.generation.adversarial import Objective
from train.generation.collapse import Collapse
from train.methods.dgnet_features import AdversarySettings
from train.methods.unsupervised import ClusteredSettings
from train.structure.folder import StructureMaps

Weight = Annotated[float, Field(ge=0)]


class GclSettings(ClusteredSettings):
    """The keys of ``gcl.yaml``, which says what each means."""

    warm_up: str | None
    structure: str | None
    parts: int = Field(ge=1, le=8)
    momentum: float = Field(ge=0, lt=1)
    negatives: int = Field(ge=1)
    tau: float = Field(gt=0)
    generate: bool
    generator: AdversarySettings
    discriminator: AdversarySettings
    adversarial: Objective
    gradient_penalty: Weight
    collapse: Collapse | None
    generator_epochs: int = Field(ge=1)
    generator_from: str | None
    lambda_image: Weight
    lambda_code: Weight
    lambda_adversarial: Weight
    lambda_view: Weight
    lambda_view_image: Weight
    lambda_view_memory: Weight

    @property
    def batch(self) -> int:
        """Images in a batch of all processes."""
        return self.identities_per_batch * self.images_per_identity

    @property
    def changes_images(self) -> bool:
        """Whether contrasted images are changed."""
        return any(self.augmentation.model_dump(exclude={"erase_area"}).values())


def identity_encoder(settings: GclSettings, trained_on: str) -> tuple[Network, Description]:
    """The network that GCL begins with, and the description of what it becomes.

    Raises:
        TrainError: it has not learnt anything yet.
        EncoderError: the file is not an encoder, or its weights do not fit.
    """
    if settings.warm_up is not None:
        learnt, given = read_encoder(Path(settings.warm_up))
        network = build(given.architecture, **given.arguments)
        network.load_state_dict(learnt.state_dict())
        return network, Description(
            input=given.input,
            dimension=given.dimension,
            architecture=given.architecture,
            arguments=given.arguments,
            flip=given.flip,
            trained_on=trained_on,
        )
    if settings.weights == "none":
        raise TrainError(
            "warm_up: GCL makes an encoder better that can already tell people apart; train one "
            "with camtrail-train ice or abmt on the same data and set "
            "warm_up=RUN/encoder.safetensors, or name other weights"
        )
    network = build(settings.architecture, **settings.arguments)
    load_backbone(network, settings.weights)
    return network, Description(
        input=InputSpec(height=settings.height, width=settings.width),
        dimension=network.dimension,
        architecture=settings.architecture,
        arguments=settings.arguments,
        flip=settings.flip,
        trained_on=trained_on,
    )


def structure_maps(settings: GclSettings) -> StructureMaps:
    """Those that the settings name.

    Raises:
        TrainError: they name none, or see `StructureMaps`.
    """
    if settings.structure is None:
        raise TrainError(
            "structure: generating new views needs structure maps of the images; make them with "
            "camtrail-train structure and set structure=FOLDER, or set generate=false"
        )
    return StructureMaps(Path(settings.structure))


def blind_samples(settings: GclSettings, samples: Sequence[Sample]) -> list[Sample]:
    """The images that can be learnt from, each as a person of its own: no label is left.

    Raises:
        TrainError: see `StructureMaps`.
    """
    kept = usable(settings, samples)
    return [sample._replace(identity=number) for number, sample in enumerate(kept, start=1)]


def usable(settings: GclSettings, samples: Sequence[Sample]) -> list[Sample]:
    """All of the images, or where views are generated those that have structure maps."""
    return structure_maps(settings).split(samples)[0] if settings.generate else list(samples)
