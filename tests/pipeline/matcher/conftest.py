"""A site with a real encoder file and its real embedded server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.bus import EmbeddedServer
from pipeline.config import Camera, Encoder, Site


def write_encoder(path: Path, seed: int) -> str:
    """A small encoder with random weights; gives its fingerprint."""
    import torch

    from reid_models import Description, InputSpec, build, load_encoder, save_encoder

    torch.manual_seed(seed)
    arguments = {"dimension": 32}
    description = Description(
        input=InputSpec(height=64, width=32),
        dimension=32,
        architecture="stripenet",
        arguments=arguments,
        metrics=[{"data": "none", "accept": 0.6, "new": 0.5}],
    )
    save_encoder(path, build("stripenet", **arguments), description)
    return load_encoder(path, device="cpu").fingerprint


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An encoder file and its fingerprint."""
    path = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    return path, write_encoder(path, 1)


@pytest.fixture
def site(tmp_path: Path, encoder: tuple[Path, str]) -> Site:
    return Site(
        site="yard",
        data_dir=tmp_path / "data",
        encoder=Encoder(path=encoder[0]),  # type: ignore[call-arg]
        cameras={name: Camera(source=f"{name}.mp4") for name in "abc"},  # type: ignore[call-arg]
    )


@pytest.fixture
def server(site: Site) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(site)
    server.start()
    yield server
    server.stop()
