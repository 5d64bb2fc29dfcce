"""`camtrail evaluate`: the store of a site against truth in MOT format."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.config import Site
from pipeline.evaluate.evaluation import Evaluation, evaluate
from pipeline.evaluate.scores import Scores
from pipeline.evaluate.truth import read_truth
from pipeline.output import print_json
from pipeline.store import Store


def run(site: Site, folder: Path, *, as_json: bool) -> None:
    """Prints how the stored identities compare with ``folder/CAMERA.gt.txt``."""
    result = evaluate_site(site, folder)
    if as_json:
        print_json(result.summary())
    else:
        print_tables(result, Console())


def evaluate_site(site: Site, folder: Path) -> Evaluation:
    """Compares the store of a site with the truth.

    Raises:
        CamtrailError: the truth or the store is missing or makes no sense.
    """
    truth = read_truth(folder, site.cameras)
    with Store.open(site.store_url, read_only=True) as store:
        return evaluate(truth, {camera: list(store.tracks(camera)) for camera in truth})


def print_tables(result: Evaluation, console: Console) -> None:
    """The scores of each camera and of all together, then what went wrong with identities."""
    table = Table(box=box.SIMPLE_HEAD, title="Identities against the truth", title_justify="left")
    table.add_column("camera", no_wrap=True)
    for name in ("IDF1", "IDP", "IDR", "HOTA", "DetA", "AssA", "people", "ids"):
        table.add_column(name, justify="right", no_wrap=True)
    for camera, scores in result.per_camera.items():
        table.add_row(camera, *_cells(scores))
    table.add_section()
    table.add_row("all together", *_cells(result.overall))
    console.print(table)
    delay = result.time_to_identity
    notes = Table.grid(padding=(0, 2))
    notes.add_row("identities", str(result.identities), f"for {result.overall.people} people")
    notes.add_row(
        "false merges",
        str(result.false_merges),
        f"identities that hold two people ({result.false_merge_rate:.1%})",
    )
    notes.add_row(
        "fragmentation",
        str(result.fragmentation),
        "identities too many that people were split into",
    )
    notes.add_row("undecided", str(result.undecided), "tracklets without an identity so far")
    notes.add_row(
        "time to identity",
        f"{delay.median:.1f} s",
        f"median from coming into view to the decision; 90 % within {delay.p90:.1f} s; "
        f"{delay.undecided} of {delay.visits} visits undecided",
    )
    console.print(notes)
    console.print(
        "\n[dim]IDF1: boxes with the right identity (IDP: of the boxes found, IDR: of the true "
        "ones), one identity a person over all cameras. HOTA: detection (DetA) and association "
        "(AssA) together, over all overlap thresholds.[/dim]"
    )


def _cells(scores: Scores) -> list[str]:
    figures = (scores.idf1, scores.idp, scores.idr, scores.hota, scores.deta, scores.assa)
    return [*(f"{figure:.3f}" for figure in figures), str(scores.people), str(scores.identities)]
