"""Takes another encoder into use, or the former one again, without losing an identity.

The kept crops of the gallery are embedded first, while everything runs on. Then the record is
replaced: a running site starts its processes anew, and its matcher embeds the few tracklets that
came meanwhile and goes on with the same identities in a gallery of the new encoder.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Encoder, Site
from pipeline.encoders.comparison import read_comparison
from pipeline.encoders.current import Encoders, Record, Used
from pipeline.encoders.described import describe
from pipeline.encoders.reembed import Progress, Reembedded, reembed
from pipeline.errors import CamtrailError
from pipeline.inference import threads
from pipeline.inference.encoder import EncoderRuntime
from pipeline.keyring import Keyring
from pipeline.store import Store
from pipeline.store.connection import has_store
from reid_models.header import encoder_files


@dataclass(frozen=True)
class Promotion:
    """What has been done.

    Attributes:
        file: of the encoder in use from now on.
        gallery: whether there is a gallery that has to change over; else there is nothing to do.
    """

    file: Path
    fingerprint: str
    former: str
    gallery: bool
    reembedded: Reembedded


def promote(
    site: Site, file: Path, comparison: Path | None, force: bool, progress: Progress
) -> Promotion:
    """Takes an encoder into use.

    Args:
        comparison: with the encoder in use; needed, and must speak for the new one, unless
            ``force``.

    Raises:
        CamtrailError: it is not better, or one of the files cannot be used. Nothing has changed.
    """
    encoders = Encoders(site.data_dir)
    new = _load(site, file)
    before = _record(site, encoders)
    former = before.used[-1].fingerprint
    if new.fingerprint == former:
        raise CamtrailError(f"{file}: is the encoder in use already")
    gain, measure = None, "mAP"
    if comparison is not None:
        read = read_comparison(comparison)
        if not force:
            read.check(comparison, former, new.fingerprint)
        gain, measure = read.gain.value, read.measure
    elif not force:
        raise CamtrailError(
            "without a comparison nobody knows whether it is better: give --comparison FILE, "
            f"made by `camtrail-train compare {site.encoder.path} {file} --data CROPS --out FILE` "
            "on crops that neither was trained on; --force takes it all the same"
        )
    used = Used(
        file=_keep(encoders.folder, file, new.fingerprint),
        fingerprint=new.fingerprint,
        since=time.time(),
        gain=gain,
        measure=measure,
    )
    record = before.model_copy(update={"used": (*before.used, used)})
    return _take(site, encoders, record, new, former, progress)


def rollback(site: Site, progress: Progress) -> Promotion:
    """Takes the encoder that was in use before the present one again.

    Raises:
        CamtrailError: there is none, or it cannot be used any more.
    """
    encoders = Encoders(site.data_dir)
    before = _record(site, encoders)
    if len(before.used) < 2:
        raise CamtrailError(
            f"{site.data_dir}: no encoder was promoted; there is none to go back to"
        )
    record = before.model_copy(update={"used": before.used[:-1]})
    target = record.used[-1]
    if describe(encoders.path(target))[1] != target.fingerprint:  # before anything of it is run
        raise CamtrailError(
            f"{encoders.path(target)}: the file has changed since it was in use; restore the one "
            f"of fingerprint {target.fingerprint}"
        )
    old = _load(site, encoders.path(target))
    return _take(site, encoders, record, old, before.used[-1].fingerprint, progress)


def _take(
    site: Site,
    encoders: Encoders,
    record: Record,
    encoder: EncoderRuntime,
    former: str,
    progress: Progress,
) -> Promotion:
    result, gallery = Reembedded(0, 0), _has_gallery(site)
    if gallery:
        with Store.open(site.store_url, crops=site.crops_dir) as store:
            result = reembed(store, encoder, Keyring.of(site.encryption), progress)
    encoders.write(record)
    path = encoders.path(record.used[-1])
    return Promotion(path, encoder.fingerprint, former, gallery, result)


def _load(site: Site, file: Path) -> EncoderRuntime:
    mine = threads.share(1)
    threads.apply(mine)
    options = Encoder(path=file, device=site.encoder.device, batch=site.encoder.batch)
    return EncoderRuntime(options, mine)


def _record(site: Site, encoders: Encoders) -> Record:
    """The record as it is; a new one where ``encoder.path`` of ``site.yaml`` counts."""
    record = encoders.read()
    if record is not None and encoders.path(record.used[-1]) == site.encoder.path:
        return record
    path = site.encoder.path.absolute()
    return Record(
        instead_of=path, used=(Used(file=path, fingerprint=_load(site, path).fingerprint),)
    )


def _has_gallery(site: Site) -> bool:
    if not has_store(site.store_url):
        return False
    with Store.open(site.store_url, read_only=True) as store:
        return bool(store.fact("fingerprint"))


def _keep(folder: Path, file: Path, fingerprint: str) -> Path:
    """Copies the encoder into the folder, where nobody changes it; its name there."""
    name = Path(fingerprint).with_suffix(file.suffix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in encoder_files(file):
            target = folder / name.with_suffix(source.suffix)
            partial = target.with_name(f"{target.name}.partial")
            shutil.copyfile(source, partial)
            partial.replace(target)
    except OSError as error:
        raise CamtrailError(f"{folder}: the encoder cannot be kept there: {error}") from None
    return name
