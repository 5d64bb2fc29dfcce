"""The page of an evaluation, as a browser would read it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reid_models import Description, InputSpec, build, load_encoder, save_encoder
from train.data import load_folder
from train.errors import TrainError
from train.evaluation import How, Search, embed_data, histogram_features, make_search
from train.evaluation.page import write_page
from train.report import summary


@dataclass
class Read(HTMLParser):
    """Lists of (class of the figure, source of its picture), and every address."""

    lists: list[list[tuple[str, str]]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    polylines: list[str] = field(default_factory=list)
    text: str = ""
    _kind: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.addresses += [values[name] for name in ("src", "href") if name in values]
        if tag == "div" and values.get("class") == "list":
            self.lists.append([])
        if tag == "figure":
            self._kind = values.get("class", "")
        if tag == "img":
            self.lists[-1].append((self._kind, values["src"]))
        if tag == "polyline":
            self.polylines.append(values["points"])

    def handle_data(self, data: str) -> None:
        self.text += data


def read(file: Path) -> Read:
    found = Read()
    found.feed(file.read_text(encoding="utf-8"))
    return found


def searched(market: Path, how: How) -> Search:
    data = load_folder(market, "m <b>")
    features = [histogram_features(part) for part in (data.query, data.gallery)]
    return make_search(*features, data, how)


@pytest.mark.parametrize("how", [How(), How("euclidean"), How(rerank=True), How(multi_query=True)])
def test_shows_every_kind_of_image(market: Path, tmp_path: Path, how: How) -> None:
    first = next((market / "bounding_box_test").iterdir())
    first.rename(first.with_name("-1_c3s1_000000_00.jpg"))
    search = searched(market, how)
    ranking = search.ranking()
    file = tmp_path / "page.html"
    write_page(
        file, {"encoder": "a", "data": "m <b>", **summary(ranking, how)}, search, ranking, None
    )
    found = read(file)
    assert "m <b>" in found.text  # escaped, and so text
    assert how.protocol in found.text
    assert len(found.lists) == 2 * ranking.queries
    assert all(address.startswith("data:image/jpeg;base64,") for address in found.addresses)
    assert {kind for shown in found.lists for kind, _ in shown} == {
        "query",
        "right",
        "wrong",
        "junk",
    }
    assert len(found.polylines) == 3
    assert "NaN" not in "".join(found.polylines)
    assert not list(tmp_path.glob("*.partial"))


def test_frames_are_those_of_the_ranking(market: Path, tmp_path: Path) -> None:
    search = searched(market, How())
    ranking = search.ranking()
    file = tmp_path / "page.html"
    write_page(file, {"encoder": "a", "data": "b"}, search, ranking, None)
    shown = read(file).lists[ranking.queries :]  # from the first query to the last
    for query, pictures in enumerate(shown):
        order = np.argsort(search.row(query), kind="stable")[: len(pictures) - 1]
        wanted = []
        for place in order:
            sample, asked = search.shown[place], search.queries[query]
            same = sample.identity == asked.identity
            junk = same and sample.camera == asked.camera
            wanted.append("junk" if junk else "right" if same else "wrong")
        assert [kind for kind, _ in pictures] == ["query", *wanted]
        picture = Image.open(io.BytesIO(base64.b64decode(pictures[0][1].split(",")[1])))
        with Image.open(search.queries[query].path) as original:
            assert abs(picture.width / picture.height - original.width / original.height) < 0.02
    hardest = read(file).text.split("Hardest queries")[1].split("Queries from")[0]
    precisions = [float(part.split()[0]) for part in hardest.split("AP ")[1:]]
    assert precisions == sorted(precisions)


def test_shows_where_the_network_looks(market: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build("stripenet", dimension=16)
    encoder = tmp_path / "encoder.safetensors"
    spec = InputSpec(height=64, width=32)
    description = Description(
        input=spec, dimension=16, architecture="stripenet", arguments={"dimension": 16}
    )
    save_encoder(encoder, network, description)
    data, loaded = load_folder(market, "m"), load_encoder(encoder, "cpu")
    features = [embed_data(loaded, part) for part in (data.query, data.gallery)]
    search = make_search(*features, data, How())
    file = tmp_path / "page.html"
    write_page(file, {"encoder": "a", "data": "b"}, search, search.ranking(), encoder)
    found = read(file)
    assert "Grad-CAM" in found.text
    for shown in found.lists:
        assert [kind for kind, _ in shown].count("map") == 4


def test_queries_without_match_and_a_place_that_is_not_there(market: Path, tmp_path: Path) -> None:
    for path in (market / "bounding_box_test").iterdir():
        path.rename(path.with_name(path.name.replace("_c1", "_c9").replace("_c2", "_c9")))
    for path in (market / "query").iterdir():
        path.rename(path.with_name(f"7{path.name}"))
    search = searched(market, How())
    ranking = search.ranking()
    file = tmp_path / "page.html"
    write_page(file, {"encoder": "a", "data": "b"}, search, ranking, None)
    assert "No query has a match." in read(file).text
    with pytest.raises(TrainError, match="cannot be written"):
        write_page(
            tmp_path / "no" / "page.html", {"encoder": "a", "data": "b"}, search, ranking, None
        )
