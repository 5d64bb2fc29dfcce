"""Crops encrypted: what comes out, what does not, and what is said of it."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.alone import no_matcher
from pipeline.config import Encryption, Site, effective, load_site
from pipeline.crops import Labels, Selection, export
from pipeline.errors import CamtrailError
from pipeline.keyring import Keyring, SealedError, identify, is_sealed, name_of, parse
from pipeline.rekey import new_key, rekey
from pipeline.store import Batch, Outcome, Received, RunState, Store
from tests.pipeline.store.test_store import RUN, pictured

ONE, TWO = bytes(range(32)), bytes(range(1, 33))
NAME = f"gate/{RUN}-1-1"


@settings(max_examples=50)
@given(st.binary(max_size=300), st.text(max_size=30))
def test_what_is_sealed_opens_again(picture: bytes, name: str) -> None:
    keyring = Keyring([ONE])
    if is_sealed(picture):
        return
    data = keyring.seal(picture, name)
    assert keyring.open(data, name) == picture
    assert keyring.seal(data, name) == data  # not twice
    assert keyring.seal(picture, name) != data  # a nonce by chance
    assert keyring.is_current(data)
    assert not Keyring([TWO, ONE]).is_current(data)
    assert Keyring([TWO, ONE]).open(data, name) == picture


def test_it_is_aes_gcm_as_it_says() -> None:
    """Opened by hand, without our code."""
    data = Keyring([ONE]).seal(b"picture", NAME)
    assert data[:12] == b"CTC1" + identify(ONE)
    assert AESGCM(ONE).decrypt(data[12:24], data[24:], NAME.encode()) == b"picture"


@given(st.integers(0, 60), st.integers(1, 255))
def test_one_bit_changed_or_cut_off_opens_nothing(place: int, change: int) -> None:
    keyring = Keyring([ONE])
    data = bytearray(keyring.seal(b"a picture of somebody", NAME))
    place %= len(data)
    with pytest.raises(SealedError):
        keyring.open(bytes(data[: max(4, place)]), NAME)
    data[place] ^= change
    if bytes(data[:4]) == b"CTC1":  # else it is no longer taken for one
        with pytest.raises(SealedError):
            keyring.open(bytes(data), NAME)


def test_a_picture_opens_in_its_own_place_only() -> None:
    keyring = Keyring([ONE])
    with pytest.raises(SealedError, match="in the place of another"):
        keyring.open(keyring.seal(b"picture", NAME), f"gate/{RUN}-2-1")


def test_without_the_key_it_says_which_one_is_missing() -> None:
    data = Keyring([ONE]).seal(b"picture", NAME)
    with pytest.raises(SealedError, match=r"names no key; give encryption\.key_file"):
        Keyring().open(data, NAME)
    with pytest.raises(SealedError, match=f"with the key {identify(ONE).hex()}, which is not"):
        Keyring([TWO]).open(data, NAME)
    assert Keyring().open(b"\xff\xd8 plain", NAME) == b"\xff\xd8 plain"
    assert Keyring([ONE]).open(b"\xff\xd8 plain", NAME) == b"\xff\xd8 plain"


def test_keys_are_read_with_comments_and_errors_repeat_none_of_it(tmp_path: Path) -> None:
    text = f"# of June\n{ONE.hex()}  # first\n\n{TWO.hex().upper()} \n"
    assert parse(text, "here") == [ONE, TWO]
    for wrong in ("", "# nothing", "deadbeef", ONE.hex() + "0", f"{ONE.hex()} hunter2secret"):
        with pytest.raises(CamtrailError, match="here: ") as caught:
            parse(wrong, "here")
        assert "hunter2" not in str(caught.value)
        assert ONE.hex() not in str(caught.value)
    missing = tmp_path / "none.key"
    with pytest.raises(CamtrailError, match=r"none.key: the key of the crops cannot be read"):
        Keyring.of(Encryption(key_file=missing))  # type: ignore[call-arg]
    missing.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CamtrailError, match="is no text"):
        Keyring.of(Encryption(key_file=missing))  # type: ignore[call-arg]
    missing.write_bytes(b"a" * 100_000)
    with pytest.raises(CamtrailError, match="no file of keys"):
        Keyring.of(Encryption(key_file=missing))  # type: ignore[call-arg]


def test_the_key_is_in_no_configuration_that_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.yaml"
    start = "site: yard\ncameras: {gate: {source: gate.mp4}}\nencryption: "
    path.write_text(start + '{key: "${CROPS_KEY}"}\n')
    monkeypatch.setenv("CROPS_KEY", ONE.hex())
    site = load_site(path)
    assert Keyring.of(site.encryption).names == [identify(ONE).hex()]
    for text in (json.dumps(effective(site)), repr(site), str(site)):
        assert ONE.hex() not in text
    path.write_text(start + "{key_file: crops.key}\n")
    assert load_site(path).encryption.key_file == tmp_path / "crops.key"
    for wrong in (f"{{key: [{ONE.hex()}]}}", f"{{key: a, key_file: {ONE.hex()}}}", ONE.hex()):
        path.write_text(start + wrong + "\n")
        with pytest.raises(CamtrailError, match="encryption") as caught:
            load_site(path)
        assert ONE.hex() not in str(caught.value)


def site_of(folder: Path, *keys: bytes) -> Site:
    """With crops of three tracklets, sealed or not as the keys say."""
    site = Site.model_validate(
        {"site": "yard", "data_dir": folder / "data", "cameras": {"gate": {"source": "gate.mp4"}}}
    )
    return keyed(site, *keys)


def keyed(site: Site, *keys: bytes) -> Site:
    text = "\n".join(key.hex() for key in keys)
    encryption = Encryption(key=SecretStr(text) if keys else None)  # type: ignore[call-arg]
    return site.model_copy(update={"encryption": encryption})


def fill(site: Site, first: int = 1) -> None:
    updates = [pictured(1, 0.5, track) for track in range(first, first + 3)]
    keyring = Keyring.of(site.encryption)
    site.data_dir.mkdir(parents=True, exist_ok=True)
    with Store.open(site.store_url, crops=site.crops_dir, keyring=keyring) as store:
        received = [Received(u, u.end) for u in updates]
        store.commit(Batch(received, [RunState("gate", RUN, 3, 3, 3)], Outcome(), "f" * 32))


def crops(site: Site) -> list[bytes]:
    return [path.read_bytes() for path in sorted(site.crops_dir.rglob("*.jpg"))]


def opened(site: Site) -> list[bytes]:
    keyring = Keyring.of(site.encryption)
    return [keyring.read(path) for path in sorted(site.crops_dir.rglob("*.jpg"))]


def test_keys_change_and_plain_and_encrypted_crops_stand_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = site_of(tmp_path)
    fill(plain)
    pictures = crops(plain)
    one = keyed(plain, ONE)
    fill(one, 4)
    assert [is_sealed(crop) for crop in crops(one)] == [False] * 3 + [True] * 3
    pictures += opened(one)[3:]
    assert opened(one) == pictures  # both kinds are read
    assert rekey(one, decrypt=False, as_json=False) == 0
    assert "3 crops were written anew" in capsys.readouterr().out
    assert all(is_sealed(crop) for crop in crops(one))
    two = keyed(plain, TWO, ONE)
    assert opened(two) == pictures
    assert rekey(two, decrypt=False, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"changed": 6, "kept": 0, "unreadable": []}
    alone = keyed(plain, TWO)
    assert opened(alone) == pictures
    with pytest.raises(SealedError):
        opened(one)
    assert rekey(keyed(plain, ONE), decrypt=False, as_json=False) == 1
    assert capsys.readouterr().out.count("left as it is: gate/") == 6
    assert opened(alone) == pictures  # nothing was spoilt
    assert rekey(alone, decrypt=True, as_json=False) == 0
    assert "take `encryption` out" in capsys.readouterr().out
    assert crops(plain) == pictures


def test_a_rekey_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = site_of(tmp_path)
    fill(site)
    pictures = crops(site)
    files = sorted(site.crops_dir.rglob("*.jpg"))
    replaced = Path.replace
    left = iter(range(1))

    def killed(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return replaced(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        rekey(keyed(site, ONE), decrypt=False, as_json=False)
    monkeypatch.undo()
    assert sum(map(is_sealed, crops(site))) == 1
    assert len(list(site.crops_dir.rglob("*.partial"))) == 1
    assert opened(keyed(site, ONE)) == pictures
    assert rekey(keyed(site, ONE), decrypt=False, as_json=False) == 0
    assert [path for path in sorted(site.crops_dir.rglob("*")) if path.is_file()] == files
    assert opened(keyed(site, ONE)) == pictures


def test_no_key_and_a_matcher_that_runs_are_told(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    fill(site)
    with pytest.raises(CamtrailError, match=r"names no key \(encryption.key_file\)"):
        rekey(site, decrypt=False, as_json=False)
    with no_matcher(site), pytest.raises(CamtrailError, match="matcher"):
        rekey(keyed(site, ONE), decrypt=False, as_json=False)


def test_a_new_key_stands_before_the_others(tmp_path: Path) -> None:
    file = tmp_path / "crops.key"
    os.umask(0o022)
    new_key(file)
    new_key(file)
    keys = parse(file.read_text(), "here")
    assert len(set(keys)) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    sealed = Keyring(keys[1:]).seal(b"picture", NAME)
    assert Keyring.of(Encryption(key_file=file)).open(sealed, NAME) == b"picture"  # type: ignore[call-arg]
    with pytest.raises(CamtrailError, match="cannot be put there"):
        new_key(tmp_path / "none" / "crops.key")


def test_names_of_files_and_updates_are_the_same(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    fill(site)
    names = {name_of(path) for path in site.crops_dir.rglob("*.jpg")}
    assert names == {name_of(replace(pictured(1, 0.5, track))) for track in (1, 2, 3)}


def test_crops_export_decrypts(tmp_path: Path) -> None:
    site = site_of(tmp_path, ONE)
    fill(site)
    pictures = sorted(opened(site))
    selection = Selection(Labels("tracklet"), None, None, (), 0.0, 0.0)
    export(site, tmp_path / "out", selection)
    assert sorted(path.read_bytes() for path in (tmp_path / "out").rglob("*.jpg")) == pictures
    with pytest.raises(CamtrailError, match="names no key"):
        export(keyed(site), tmp_path / "none", selection)
    assert not (tmp_path / "none").exists()
    assert all(picture.startswith(b"jpeg ") for picture in pictures)
