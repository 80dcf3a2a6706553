"""Key files: made once, read only when nobody else can, and never replaced in silence."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from routing.masks import RealNumber
from switchboard.store import keys as keys_module
from switchboard.store.database import Database
from switchboard.store.keys import KeyFileError, add_encryption_key, load_vault, read_keys

NUMBER = RealNumber("13956781234")


@pytest.fixture
def directory(tmp_path: Path, database: Database) -> Path:
    """The keys of a store that has been opened once."""
    load_vault(tmp_path, database)
    return tmp_path / "keys"


def test_the_first_start_makes_keys(tmp_path: Path, database: Database) -> None:
    """Two different keys appear, for the owner only, and nothing else."""
    load_vault(tmp_path, database)
    files = sorted((tmp_path / "keys").iterdir())
    assert [path.name for path in files] == ["encryption-1.key", "fingerprint.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert files[0].read_text() != files[1].read_text()


def test_the_next_start_uses_them(tmp_path: Path, database: Database) -> None:
    """What the first vault sealed the second one opens, with the same fingerprint."""
    first, second = load_vault(tmp_path, database), load_vault(tmp_path, database)
    assert second.open(first.seal(NUMBER)) == NUMBER
    assert second.fingerprint(NUMBER) == first.fingerprint(NUMBER)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
@pytest.mark.parametrize("name", ["encryption-1.key", "fingerprint.key"])
def test_a_key_that_others_may_read_is_refused(
    tmp_path: Path, database: Database, directory: Path, name: str, mode: int
) -> None:
    """The line names the file, its mode and the command that mends it."""
    (directory / name).chmod(mode)
    with pytest.raises(KeyFileError) as caught:
        load_vault(tmp_path, database)
    assert str(caught.value) == (
        f"{directory / name}: others may read this key (mode {mode:04o}); run: chmod 600 {directory / name}"
    )


@pytest.mark.parametrize("text", [b"", b"00" * 31, b"00" * 33, b"g" * 64, b"\xff" * 64])
def test_what_is_no_key_is_refused(tmp_path: Path, database: Database, directory: Path, text: bytes) -> None:
    """A damaged file is named, and what is in it is not shown."""
    (directory / "fingerprint.key").write_bytes(text)
    with pytest.raises(KeyFileError, match=r"fingerprint\.key: is not a key"):
        load_vault(tmp_path, database)


@pytest.mark.parametrize("name", ["encryption-1.key", "fingerprint.key"])
def test_a_lost_key_is_not_made_anew(tmp_path: Path, database: Database, directory: Path, name: str) -> None:
    """A database written with a key refuses to go on without it, and no file appears."""
    (directory / name).unlink()
    with pytest.raises(KeyFileError, match="restore it from the backup"):
        load_vault(tmp_path, database)
    assert not (directory / name).exists()


def test_another_key_is_noticed(tmp_path: Path, database: Database, directory: Path) -> None:
    """A key of another store under the right name is told from the right one."""
    (directory / "encryption-1.key").write_text("ab" * 32)
    with pytest.raises(KeyFileError, match=r"encryption-1\.key: is not the key that .* was written with"):
        load_vault(tmp_path, database)


def test_a_lost_old_key_is_named(tmp_path: Path, database: Database, directory: Path) -> None:
    """With a newer key present, the old one is still missed."""
    add_encryption_key(tmp_path)
    (directory / "encryption-1.key").unlink()
    with pytest.raises(KeyFileError, match=r"encryption-1\.key: is missing"):
        load_vault(tmp_path, database)


def test_a_lost_directory_is_named(tmp_path: Path, database: Database, directory: Path) -> None:
    """The whole directory gone is an error too."""
    directory.rename(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError, match="keys: cannot be read"):
        load_vault(tmp_path, database)


def test_keys_survive_a_fresh_database(tmp_path: Path, database: Database, directory: Path) -> None:
    """A new database beside old keys uses them."""
    before = read_keys(directory)
    other = Database(tmp_path / "other.db")
    load_vault(tmp_path, other)
    other.close()
    assert read_keys(directory) == before


def test_an_added_key_seals_and_the_old_one_opens(tmp_path: Path, database: Database, directory: Path) -> None:
    """After rotation both keys are in the ring and the new one seals."""
    sealed = load_vault(tmp_path, database).seal(NUMBER)
    assert add_encryption_key(tmp_path) == 2
    vault = load_vault(tmp_path, database)
    assert vault.active_key == 2
    assert vault.open(sealed) == NUMBER


def test_two_first_starts_at_once_agree(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """When another process makes the keys at the same moment, its keys are the ones that count."""
    link = os.link

    def other_was_quicker(source: Path, target: Path) -> None:
        Path(target).touch(mode=0o600)
        Path(target).write_text(("aa" if "encryption" in str(target) else "bb") * 32)
        link(source, target)

    monkeypatch.setattr(keys_module.os, "link", other_was_quicker)
    load_vault(tmp_path, database)
    assert read_keys(tmp_path / "keys") == ({1: b"\xaa" * 32}, b"\xbb" * 32)
    assert len(list((tmp_path / "keys").iterdir())) == 2
    with pytest.raises(KeyFileError, match="somebody else"):
        add_encryption_key(tmp_path)


def test_a_place_where_keys_cannot_be_is_named(tmp_path: Path, database: Database) -> None:
    """A file in the way of the directory is one clear line."""
    (tmp_path / "keys").touch()
    with pytest.raises(KeyFileError, match="keys: keys cannot be created"):
        load_vault(tmp_path, database)


def test_an_unreadable_key_is_named(tmp_path: Path, database: Database, directory: Path) -> None:
    """A directory in the place of a key is reported as such."""
    (directory / "fingerprint.key").unlink()
    (directory / "fingerprint.key").mkdir(mode=0o700)
    with pytest.raises(KeyFileError, match=r"fingerprint\.key: cannot be read"):
        load_vault(tmp_path, database)


def test_a_missing_encryption_key_among_others(tmp_path: Path) -> None:
    """Keys that were never any are asked for by name."""
    (tmp_path / "other.key").touch()
    with pytest.raises(KeyFileError, match=r"encryption-1\.key: is missing"):
        read_keys(tmp_path)
