"""What the matcher remembers of the encoder file, until that changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline.errors import CamtrailError
from pipeline.matcher.encoder import encoder_facts
from pipeline.store import Store
from tests.pipeline.matcher.conftest import yard
from train.export import export_encoder


@pytest.mark.parametrize("kind", [".onnx", ".xml"])
def test_a_change_of_any_of_its_files_is_noticed(
    tmp_path: Path, encoder: tuple[Path, str], kind: str
) -> None:
    if kind == ".xml":
        pytest.importorskip("openvino", reason="needs the extra openvino")
    path = tmp_path / f"mine{kind}"
    export_encoder(encoder[0], path)
    site = yard(tmp_path / "data", path)
    with Store.open(site.store_url) as store:
        first = encoder_facts(site, store)
        assert encoder_facts(site, store) == first
        beside = path.with_suffix(".yaml")
        said = yaml.safe_load(beside.read_text())
        beside.write_text(yaml.safe_dump(said | {"thresholds": {"accept": 0.7, "new": 0.4}}))
        second = encoder_facts(site, store)
        assert (second.accept, second.new) == (0.7, 0.4)
        if kind == ".xml":
            weights = path.with_suffix(".bin")
            weights.write_bytes(weights.read_bytes() + b"\0")
            assert encoder_facts(site, store).fingerprint != second.fingerprint
        beside.unlink()
        with pytest.raises(CamtrailError, match=r"mine\.yaml: the encoder cannot be read"):
            encoder_facts(site, store)
