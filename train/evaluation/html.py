"""HTML pages that need nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from train.files import write_text


def write_html(file: Path, template: str, **values: Any) -> None:
    """Fill a template of this folder; the page appears whole or not at all.

    Raises:
        TrainError: the page cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("train.evaluation", "."), autoescape=True, undefined=StrictUndefined
    )
    write_text(file, environment.get_template(template).render(values))
