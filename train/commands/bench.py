"""`camtrail-train bench`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from train.commands.methods import Preset
from train.commands.options import Changes, Json, print_values
from train.errors import TrainError

_PARTS = ("all", "dgnet", "unsupervised")


def bench(
    part: Annotated[
        str,
        typer.Argument(
            help="all; dgnet: one step of its training; unsupervised: one of ICE's and of ABMT's."
        ),
    ] = "all",
    method: Annotated[str, typer.Option("--method", help="baseline or scr.")] = "baseline",
    settings: Preset = "default",
    changes: Changes = None,
    device: Annotated[
        str, typer.Option("--device", help="Of embedding: auto, cpu, cuda or cuda:N.")
    ] = "auto",
    market_share: Annotated[
        float, typer.Option("--size", help="Of evaluation, as a share of Market-1501.")
    ] = 1.0,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Batches a round, of unsupervised.")
    ] = 5,
    as_json: Json = False,
) -> None:
    """Time training, embedding, evaluation and re-ranking against the least that each must do.

    camtrail-train bench --method scr --set height=256 --set width=128

    camtrail-train bench dgnet --settings full

    camtrail-train bench unsupervised --settings paper --set identities_per_batch=16 --steps 1
    """
    if part not in _PARTS:
        raise TrainError(f"{part!r} cannot be timed; known are: {', '.join(_PARTS)}")
    if part == "dgnet":
        _bench_dgnet(settings, changes or [], as_json)
        return
    if part == "unsupervised":
        _bench_unsupervised(settings, changes or [], steps, as_json)
        return
    from train.bench.evaluation import measure_evaluation, measure_reranking
    from train.bench.training import measure_embedding, measure_training
    from train.run import method_settings

    chosen = method_settings(method, settings, changes or [])
    queries, gallery = (max(20, round(market_share * count)) for count in (3_368, 19_732))
    measured: dict[str, Any] = {}
    for name, work in (
        ("training", lambda: measure_training(method, chosen)),
        ("embedding", lambda: measure_embedding(chosen, device)),
        ("evaluation", lambda: measure_evaluation(queries, gallery)),
        ("re-ranking", lambda: measure_reranking(queries, gallery)),
    ):
        print(f"measuring {name}", file=sys.stderr, flush=True)
        measured[name] = asdict(work())
    if as_json:
        print_values(measured, as_json)
    else:
        _print(measured)


def _bench_dgnet(settings: str, changes: list[str], as_json: bool) -> None:
    from train.bench.generation import measure_steps
    from train.methods.dgnet_features import DGNetSettings
    from train.run import method_settings

    chosen = method_settings("dgnet", settings, changes)
    assert isinstance(chosen, DGNetSettings)
    _print_steps(
        "A training step of DG-Net",
        [asdict(step) for step in measure_steps(chosen)],
        "bare: one forward and backward pass of each network on as many images as in the step, "
        "one after the other. hours: of 100,000 steps. Memory: at its peak, of the GPU or without "
        "one of the process.",
        as_json,
    )


def _bench_unsupervised(settings: str, changes: list[str], steps: int, as_json: bool) -> None:
    from train.bench.unsupervised import METHODS, measure_step
    from train.methods.unsupervised import UnsupervisedSettings
    from train.run import method_settings

    measured = []
    for method in METHODS:
        chosen = method_settings(method, settings, changes)
        assert isinstance(chosen, UnsupervisedSettings)
        print(f"measuring {method}", file=sys.stderr, flush=True)
        measured.append(asdict(measure_step(method, chosen, steps)))
    _print_steps(
        "A training step without labels",
        measured,
        "bare: forward, backward and AdamW of the network with one classifier, its batch ready. "
        "The clustering of an epoch is left out.",
        as_json,
    )


def _print_steps(title: str, steps: list[dict[str, Any]], note: str, as_json: bool) -> None:
    """A row a figure, a column a step: a terminal is narrow."""
    if as_json:
        print_values({"steps": steps}, as_json)
        return
    table = Table(title=title, title_justify="left", show_header=False)
    for name in steps[0]:
        unit = ", GiB" if name.endswith("memory") else ""
        table.add_row(name.replace("_", " ") + unit, *(_figure(step[name]) for step in steps))
    Console().print(table)
    Console().print(note, highlight=False)


def _figure(value: str | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
    return str(value)


def _print(measured: dict[str, Any]) -> None:
    table = Table(title="What we do against the least that it takes", title_justify="left")
    for name in ("", "ours", "the least", "ours / the least", "against plain numpy"):
        table.add_column(name)
    for name in ("training", "embedding"):
        found = measured[name]
        rates = [f"{found[key]:.0f} images/s" for key in ("ours", "bare")]
        table.add_row(name, *rates, f"{found['share']:.2f} of its speed", "")
    for name in ("evaluation", "re-ranking"):
        product, plain = measured[name]["against_product"], measured[name]["against_plain"]
        seconds = [f"{product[key]:.2f} s" for key in ("ours", "product")]
        row = [f"{product['ratio']:.2f} of its time", f"{plain['speedup']:.1f} times faster"]
        table.add_row(name, *seconds, *row)
    Console().print(table)
    Console().print(
        "The least: the bare network on a batch that is ready; the bare matrix product.",
        highlight=False,
    )
