"""A site with a real encoder file and its real embedded server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Camera, Encoder, Site
from pipeline.matcher.encoder import EncoderFacts, encoder_facts
from pipeline.store import Store


def write_encoder(path: Path, seed: int) -> str:
    """A small encoder with random weights; gives its fingerprint."""
    import torch

    from reid_models import (
        Description,
        InputSpec,
        Similarities,
        build,
        load_encoder,
        save_encoder,
    )

    torch.manual_seed(seed)
    arguments = {"dimension": 32}
    description = Description(
        input=InputSpec(height=64, width=32),
        dimension=32,
        architecture="stripenet",
        arguments=arguments,
        thresholds=Similarities(accept=0.6, new=0.5),
    )
    save_encoder(path, build("stripenet", **arguments), description)
    return load_encoder(path, device="cpu").fingerprint


def yard(data_dir: Path, encoder: Path) -> Site:
    return Site(
        site="yard",
        data_dir=data_dir,
        encoder=Encoder(path=encoder),  # type: ignore[call-arg]
        cameras={name: Camera(source=f"{name}.mp4") for name in "abc"},  # type: ignore[call-arg]
    )


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An encoder file and its fingerprint."""
    path = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    return path, write_encoder(path, 1)


@pytest.fixture(scope="session")
def encoder_fact(encoder: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a matcher remembers of the encoder once it has read the file."""
    site = yard(tmp_path_factory.mktemp("store"), encoder[0])
    with Store.open(site.store_url) as store:
        assert encoder_facts(site, store) == EncoderFacts(encoder[1], 0.6, 0.5)
        return store.fact("encoder") or ""


@pytest.fixture
def site(tmp_path: Path, encoder: tuple[Path, str], encoder_fact: str) -> Site:
    """A site whose matcher need not read the encoder again, which takes seconds."""
    site = yard(tmp_path / "data", encoder[0])
    with Store.open(site.store_url) as store:
        store.remember("encoder", encoder_fact)
    return site
