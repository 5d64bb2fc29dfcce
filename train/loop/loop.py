"""The one training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from PIL import Image
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from train.errors import TrainError
from train.loop import checkpoint
from train.loop.average import Average
from train.loop.loader import Loader
from train.loop.method import Batch, Method
from train.loop.progress import Epoch, Progress
from train.loop.recompute import recompute_activations
from train.loop.settings import LoopSettings
from train.loop.watch import Watch

Weights = dict[str, Tensor]


class Loop:
    """Everything of one training that has state.

    The random numbers of an epoch depend on the seed and its number alone, and those of an image
    on what the sampler drew, so that a run which was killed and resumed after an epoch goes on
    as if nothing had happened.

    Args:
        method: what is trained.
        settings: of the loop.
        seed: of everything.
        out: folder for the checkpoint and the logs.
        identity: what makes the run this run; a checkpoint of another is refused.
        accelerator: device, precision and processes.
        validate: from the network's weights to figures, of which ``map`` chooses the epoch; None
            where the last epoch is what counts.

    Attributes:
        epoch: the one that runs, from 1.
        history: the epochs that are done.
    """

    def __init__(
        self,
        method: Method,
        settings: LoopSettings,
        seed: int,
        out: Path,
        identity: dict[str, Any],
        accelerator: Accelerator,
        validate: Callable[[Weights], dict[str, float]] | None = None,
    ) -> None:
        self.method, self.settings, self.seed, self.accelerator = (
            method,
            settings,
            seed,
            accelerator,
        )
        self.epoch = 0
        self.history: list[Epoch] = []
        self._file, self._identity, self._validate = out / checkpoint.NAME, identity, validate
        self._watch = Watch(out, accelerator.process_index)
        self._logs = out / "tensorboard"
        self._pictures = out / "pictures"
        self._loader: Loader | None = None
        self._best: tuple[float, int, Weights] | None = None
        if settings.gradient_checkpointing:
            recompute_activations(method.network)
        self._models = dict(method.models)  # as they are without the wrappers of `prepare`
        for name, model in self._models.items():
            method.models[name] = self._prepare(model)
        for update in method.updates:
            for group in update.groups():
                group["initial_lr"] = group["lr"]
            update.optimizers = [accelerator.prepare(o) for o in update.optimizers]
        self._average = Average(method.network, settings.ema) if settings.ema else None

    def fit(self, report: Callable[[Epoch], None]) -> None:
        """Train the epochs that are left; after each write a checkpoint, then report."""
        is_main = self.accelerator.is_main_process
        done = len(self.history)
        if done == self.settings.epochs:
            return
        with SummaryWriter(self._logs, purge_step=done + 1) if is_main else nullcontext() as log:
            for number in range(done + 1, self.settings.epochs + 1):
                epoch = self.run_epoch(number)
                self.history.append(epoch)
                if log is not None:
                    if number == self.settings.epochs or not self.method.doubtful:
                        checkpoint.save_checkpoint(self._file, self._identity, self._state())
                    _log(log, epoch)
                    self._show(log, number)
                    report(epoch)

    def run_epoch(self, number: int) -> Epoch:
        """One epoch, validation included; it is not yet in the history.

        Raises:
            TrainError: there is too little memory on the GPU, or see `Watch`.
        """
        start = time.monotonic()
        self.epoch = number
        set_seed((self.seed * 100_003 + number) % 2**32, device_specific=True)
        try:
            losses = self._train()
        except torch.OutOfMemoryError:
            raise TrainError(
                f"out of GPU memory in epoch {number}: lower {self.method.lower}"
            ) from None
        validation = self._look() if self._is_looked_at(number) else {}
        seconds = time.monotonic() - start
        spent = sum(epoch.seconds for epoch in self.history) + seconds
        of = self.settings.epochs
        remaining = spent / number * (of - number)
        rate = self.method.updates[0].groups()[0]["lr"]
        return Epoch(number, of, losses, rate, seconds, remaining, validation)

    def weights(self) -> Weights:
        """Of the network to keep: those of the best epoch by validation, or the last ones."""
        return self._best[2] if self._best else self._current()

    @property
    def best_epoch(self) -> int:
        """The epoch that `weights` are of."""
        return self._best[1] if self._best else len(self.history)

    def resume(self) -> None:
        """Go on from the checkpoint.

        Raises:
            TrainError: see `checkpoint.load_checkpoint`.
        """
        state = checkpoint.load_checkpoint(self._file, self._identity)
        if not state:  # what comes before the method was begun, and no epoch is done
            return
        try:
            for name, model in self._models.items():
                model.load_state_dict(state["models"][name])
            optimizers = [o for update in self.method.updates for o in update.optimizers]
            for optimizer, values in zip(optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(values)
            if self.accelerator.scaler is not None and state["scaler"] is not None:
                self.accelerator.scaler.load_state_dict(state["scaler"])
            if self._average is not None:
                self._average.load_state_dict(state["average"])
            self._best = state["best"]
            self.history = [Epoch(**epoch) for epoch in state["history"]]
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise TrainError(
                f"{self._file}: does not fit this network and method ({error}); "
                "it was made by another version"
            ) from None

    def _prepare(self, model: nn.Module) -> nn.Module:
        model.to(memory_format=torch.channels_last)
        if any(parameter.requires_grad for parameter in model.parameters()):
            prepared: nn.Module = self.accelerator.prepare(model)
            return prepared
        return model.to(self.accelerator.device)

    def _train(self) -> dict[str, float]:
        """One epoch; the means of its losses."""
        self.method.before_epoch(self)
        loader = self._renewed_loader()
        for model in self.method.models.values():
            model.train()
        progress = Progress(self.epoch, len(loader), self.accelerator.is_main_process)
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(loader, start=1):
            losses = self._step(batch, number, len(loader))
            self._watch.look(self.epoch, number, loader.source, batch, losses)
            for name, value in losses.items():
                sums[name] = sums[name] + value if name in sums else value
            progress.step(number)
        self._watch.check()
        progress.close()
        means = torch.stack(list(sums.values())) / len(loader)
        means = self.accelerator.reduce(means, "mean")
        return dict(zip(sums, means.tolist(), strict=True))

    def _renewed_loader(self) -> Loader:
        source = self.method.source(self.epoch)
        if self._loader is None or self._loader.source is not source:
            accelerator = self.accelerator
            self._loader = Loader(
                source,
                self.settings.workers,
                accelerator.device,
                accelerator.process_index,
                accelerator.num_processes,
            )
        return self._loader

    def _step(self, batch: Batch, number: int, steps: int) -> dict[str, Tensor]:
        """Learn from a batch; weights change with the last of each ``accumulation`` batches."""
        group = self.settings.accumulation
        begins, ends = (number - 1) % group == 0, number % group == 0 or number == steps
        size = min(group, steps - (number - 1) // group * group)
        found: dict[str, Tensor] = {}
        for update in self.method.updates:
            if begins:
                for optimizer in update.optimizers:
                    optimizer.zero_grad()
                share = update.rate(self.epoch - 1 + (number - 1) / steps)
                for parameters in update.groups():
                    parameters["lr"] = parameters["initial_lr"] * share
            with ExitStack() as stack:
                for model in () if ends else self.method.models.values():
                    stack.enter_context(self.accelerator.no_sync(model))
                losses = update.step(batch)
                self.accelerator.backward(losses["loss"] / size)
            if ends:
                for optimizer in update.optimizers:
                    optimizer.step()
            total = found.get("loss", 0) + losses["loss"].detach()
            found |= {name: value.detach() for name, value in losses.items()} | {"loss": total}
        if ends:
            self.method.after_step()
        if ends and self._average is not None:
            self._average.update()
        return found

    def _show(self, log: SummaryWriter, number: int) -> None:
        """Write the method's pictures to disk and to TensorBoard."""
        for name, picture in self.method.pictures(number).items():
            self._pictures.mkdir(exist_ok=True)
            Image.fromarray(picture).save(self._pictures / f"epoch_{number:04}_{name}.png")
            log.add_image(name, picture, number, dataformats="HWC")

    def _is_looked_at(self, number: int) -> bool:
        chosen = self.settings.validation
        if chosen is None or self._validate is None:
            return False
        return number % chosen.every == 0 or number == self.settings.epochs

    def _look(self) -> dict[str, float]:
        """Figures on the held-out identities; keeps the weights if they are the best so far."""
        figures: dict[str, float] = {}
        if self.accelerator.is_main_process and self._validate is not None:
            weights = self._current()
            figures = self._validate(weights)
            if self._best is None or figures["map"] > self._best[0]:
                copies = {name: value.cpu().clone() for name, value in weights.items()}
                self._best = (figures["map"], self.epoch, copies)
        self.accelerator.wait_for_everyone()
        return figures

    def _current(self) -> Weights:
        average = self._average
        return average.weights() if average else self.method.network.state_dict()

    def _state(self) -> dict[str, Any]:
        scaler = self.accelerator.scaler
        return {
            "models": {name: model.state_dict() for name, model in self._models.items()},
            "optimizers": [
                optimizer.state_dict()
                for update in self.method.updates
                for optimizer in update.optimizers
            ],
            "scaler": scaler.state_dict() if scaler is not None else None,
            "average": self._average.state_dict() if self._average else None,
            "best": self._best,
            "history": [asdict(epoch) for epoch in self.history],
        }


def _log(log: SummaryWriter, epoch: Epoch) -> None:
    for name, value in {**epoch.losses, "learning_rate": epoch.learning_rate}.items():
        log.add_scalar(f"train/{name}", value, epoch.number)
    for name, value in epoch.validation.items():
        log.add_scalar(f"validation/{name}", value, epoch.number)
