"""The baseline: cross entropy through a BNNeck and batch-hard triplets before it.

Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-identification" (2019),
without its pretrained backbone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import DataLoader

from reid_models import Description, InputSpec, build, load_encoder, save_encoder
from train.data import Crops, DataSet, PKSampler
from train.errors import TrainError
from train.evaluation import embed_data, evaluate, recommend
from train.losses import LabelSmoothedCrossEntropy, TripletLoss
from train.methods.settings import Settings
from train.precision import has_fast_bf16
from train.report import summary

CHECKPOINT = "checkpoint.pt"


class BaselineSettings(Settings):
    """The keys of ``baseline.yaml``, which says what each means."""

    architecture: str
    dimension: int
    height: int
    width: int
    identities_per_batch: int = Field(ge=2)
    images_per_identity: int = Field(ge=2)
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    warmup_epochs: float = Field(ge=0)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    margin: float | None
    precision: Literal["auto", "fp32", "bf16"]
    workers: int = Field(ge=0, le=64)


class IdentityModel(nn.Module):
    """A network with a classifier over the identities of the training set behind its neck."""

    def __init__(self, network: nn.Module, dimension: int, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classifier = nn.Linear(dimension, classes, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.01)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, H, W) to features (N, D) and logits (N, C)."""
        features = self.network.features(images)  # type: ignore[operator]
        return features, self.classifier(self.network.neck(features))  # type: ignore[operator]


@dataclass(frozen=True)
class Epoch:
    """How an epoch went; ``remaining`` is the time to the end of the run in seconds."""

    number: int
    of: int
    identity_loss: float
    triplet_loss: float
    accuracy: float
    seconds: float
    remaining: float


def train_baseline(
    data: DataSet,
    out: Path,
    settings: BaselineSettings,
    seed: int = 0,
    resume: bool = False,
    command: str = "",
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Train, write ``out/encoder.safetensors`` and ``out/run.json``, and give the latter.

    The last epoch is what is kept; the test part is looked at once, after the training.

    Args:
        data: what to learn from and to measure on.
        out: folder of the run; must be new or empty, unless ``resume``.
        settings: see ``baseline.yaml``.
        seed: of weights, order and augmentation.
        resume: go on from ``out/checkpoint.pt``.
        command: noted in ``run.json``.
        report: called after each epoch.
    """
    run = _Run(data, out, settings, seed, resume)
    history = run.fit(report)
    description = run.description(data.name, seed)
    save_encoder(out / "encoder.safetensors", run.network, description)
    encoder = load_encoder(out / "encoder.safetensors")
    query, gallery = embed_data(encoder, data.query), embed_data(encoder, data.gallery)
    ranking = evaluate(query, gallery)
    measured = {"data": data.name, **summary(ranking)}
    final = description.model_copy(
        update={"metrics": [measured], "thresholds": recommend(query, gallery)}
    )
    save_encoder(out / "encoder.safetensors", run.network, final)
    result = {
        "command": command,
        "method": "baseline",
        "data": data.name,
        "seed": seed,
        "settings": settings.model_dump(),
        "train_images": len(data.train),
        "train_identities": run.crops.classes,
        "left_out": len(data.left_out),
        "metrics": measured,
        "epochs": [asdict(epoch) for epoch in history],
    }
    (out / "run.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


class _Run:
    """Everything of one training that has state."""

    def __init__(
        self, data: DataSet, out: Path, settings: BaselineSettings, seed: int, resume: bool
    ) -> None:
        self.settings, self.seed, self.checkpoint = settings, seed, out / CHECKPOINT
        _prepare_folder(out, resume)
        set_seed(seed)
        self.spec = InputSpec(height=settings.height, width=settings.width)
        self.crops = Crops(data.train, self.spec)
        self.sampler = PKSampler(
            self.crops.labels,
            self.crops.cameras,
            settings.identities_per_batch,
            settings.images_per_identity,
            seed,
        )
        self.network = build(settings.architecture, dimension=settings.dimension)
        bf16 = settings.precision == "bf16" or (settings.precision == "auto" and has_fast_bf16())
        self.accelerator = Accelerator(
            mixed_precision="bf16" if bf16 else "no", step_scheduler_with_optimizer=False
        )
        model = IdentityModel(self.network, settings.dimension, self.crops.classes)
        model.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(_groups(model, settings), lr=settings.learning_rate)
        steps, warmup = len(self.sampler), settings.warmup_epochs
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _schedule(step / steps, warmup, settings.epochs)
        )
        loader = DataLoader(
            self.crops,
            batch_sampler=self.sampler,
            num_workers=settings.workers,
            multiprocessing_context="forkserver" if settings.workers else None,
            persistent_workers=settings.workers > 0,
        )
        self.model, self.optimizer, self.loader = self.accelerator.prepare(model, optimizer, loader)
        self.identity_loss = LabelSmoothedCrossEntropy(settings.label_smoothing)
        self.triplet_loss = TripletLoss(settings.margin)
        self.history: list[Epoch] = []
        if resume:
            self._restore()

    def fit(self, report: Callable[[Epoch], None]) -> list[Epoch]:
        for number in range(len(self.history) + 1, self.settings.epochs + 1):
            epoch = self._epoch(number)
            self.history.append(epoch)
            self._save()
            report(epoch)
        return self.history

    def description(self, data: str, seed: int) -> Description:
        return Description(
            input=self.spec,
            dimension=self.settings.dimension,
            architecture=self.settings.architecture,
            arguments={"dimension": self.settings.dimension},
            trained_on=f"{data}, {self.crops.classes} identities, method baseline, seed {seed}",
        )

    def _epoch(self, number: int) -> Epoch:
        start = time.monotonic()
        set_seed(
            (self.seed * 100_003 + number) % 2**32
        )  # without workers, a resume changes nothing
        self.sampler.epoch = number
        self.model.train()
        sums = np.zeros(3)
        for images, labels in self.loader:
            sums += self._step(images, labels)
        identity, triplet, accuracy = (float(value) for value in sums / len(self.loader))
        if not math.isfinite(identity + triplet):
            raise TrainError(
                f"the loss is no longer a number in epoch {number}; lower learning_rate"
            )
        seconds = time.monotonic() - start
        spent = sum(epoch.seconds for epoch in self.history) + seconds
        remaining = spent / number * (self.settings.epochs - number)
        of = self.settings.epochs
        return Epoch(number, of, identity, triplet, accuracy, seconds, remaining)

    def _step(self, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        features, logits = self.model(images.contiguous(memory_format=torch.channels_last))
        identity = self.identity_loss(logits, labels)
        triplet = self.triplet_loss(features, labels)
        self.optimizer.zero_grad()
        self.accelerator.backward(identity + triplet)
        self.optimizer.step()
        self.scheduler.step()
        accuracy = (logits.argmax(dim=1) == labels).float().mean()
        return identity.item(), triplet.item(), accuracy.item()

    def _save(self) -> None:
        state = {
            "model": self.accelerator.unwrap_model(self.model).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
            "settings": self.settings.model_dump(),
            "seed": self.seed,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def _restore(self) -> None:
        try:
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many classes for a damaged file
            raise TrainError(f"{self.checkpoint}: not a usable checkpoint ({error})") from None
        if not isinstance(state, dict) or not {"model", "settings", "seed"} <= state.keys():
            raise TrainError(f"{self.checkpoint}: not a usable checkpoint (parts are missing)")
        if state["settings"] != self.settings.model_dump() or state["seed"] != self.seed:
            raise TrainError(
                f"{self.checkpoint}: made with other settings or another seed; "
                "resume with the same command"
            )
        self.accelerator.unwrap_model(self.model).load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]


def _prepare_folder(out: Path, resume: bool) -> None:
    if resume and not (out / CHECKPOINT).is_file():
        raise TrainError(f"{out}: there is no {CHECKPOINT} to resume from")
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainError(f"{out}: exists and is not empty; choose another folder, or --resume")
    out.mkdir(parents=True, exist_ok=True)


def _groups(model: nn.Module, settings: BaselineSettings) -> list[dict[str, Any]]:
    """Weight decay is for matrices and kernels; it would only harm normalisation."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {
            "params": [p for p in trained if p.ndim >= 2],
            "weight_decay": settings.weight_decay,
        },
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def _schedule(epoch: float, warmup: float, epochs: int) -> float:
    """Share of the highest learning rate at a fractional epoch."""
    if epoch < warmup:
        return max(epoch / warmup, 0.01)
    done = min((epoch - warmup) / max(epochs - warmup, 1e-9), 1.0)
    return 0.5 * (1 + math.cos(math.pi * done))
