"""Real numbers do not show themselves, and the vault gives them back only with the right key."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import traceback
from collections.abc import Callable

import msgspec
import pytest

from routing.masks.secret import (
    RealNumber,
    Sealed,
    Vault,
    VaultError,
    canonical_number,
    fold_digits,
    key_of,
    mask_number,
)

CLEAR = "13956781234"


def counting() -> Callable[[int], bytes]:
    """A source of bytes that never repeats and is the same in every run."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def vault(*key_ids: int, hash_key: bytes = b"h" * 32) -> Vault:
    """A vault whose key with id n is 32 times the byte n."""
    return Vault({key_id: bytes([key_id]) * 32 for key_id in key_ids or (1,)}, hash_key, counting())


class TestMaskNumber:
    """Masking keeps the ends."""

    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("13956781234", "139****1234"),
            ("01088880000", "010****0000"),
            ("+14155550123", "+14****0123"),
            ("4008001234", "40****34"),
            ("88880000", "88****00"),
            ("8888000", "8****0"),
            ("95588", "9****8"),
            ("4001", "****"),
            ("", "****"),
        ],
    )
    def test_keeps_fewer_characters_of_a_shorter_number(self, text: str, masked: str) -> None:
        """The shorter the number, the less of it stays."""
        assert mask_number(text) == masked


class TestCanonicalNumber:
    """One spelling of a number."""

    @pytest.mark.parametrize(
        "text",
        [
            "13956781234",
            "+8613956781234",
            "+86 139-5678-1234",
            "+86013956781234",
            "8613956781234",
            "008613956781234",
            "0086 (139) 5678 1234",
            "013956781234",
            "１３９５６７８１２３４",
        ],
    )
    def test_reads_every_form_of_a_mobile_number(self, text: str) -> None:
        """All spellings of a mobile number are one."""
        assert canonical_number(text) == CLEAR

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("+861088880000", "01088880000"),
            ("86 571 8765 4321", "057187654321"),
            ("+8601088880000", "01088880000"),
            ("01088880000", "01088880000"),
            ("+864008001234", "4008001234"),
            ("+868008200000", "8008200000"),
            ("+8695588", "95588"),
            ("+14155550123", "+14155550123"),
            ("0014155550123", "+14155550123"),
            ("12345678901", "12345678901"),
            ("86139", "86139"),
            ("alice", "alice"),
            (" anonymous ", "anonymous"),
            ("+", "+"),
            ("", ""),
        ],
    )
    def test_reads_other_numbers(self, text: str, number: str) -> None:
        """Geographic numbers get their 0, service numbers stay, foreign ones keep +, names are left alone."""
        assert canonical_number(text) == number

    def test_folding_keeps_leading_zeros(self) -> None:
        """An extension is only tidied up, never read as a number."""
        assert fold_digits("00 12-3４") == "001234"


class TestRealNumber:
    """The type that does not show itself."""

    def test_every_way_of_printing_is_masked(self) -> None:
        """str, repr and format show 139****1234."""
        number = RealNumber(CLEAR)
        assert str(number) == number.masked == f"{number}" == "".join(map(str, [number])) == "139****1234"
        assert repr(number) == "RealNumber('139****1234')"
        assert f"{number:>13}" == "  139****1234"
        assert CLEAR not in repr([number, {"caller": number}])

    def test_reveals_only_with_a_reason(self) -> None:
        """The clear text comes out of reveal, and a reason must be given."""
        assert RealNumber(CLEAR).reveal("dial on trunk") == CLEAR
        with pytest.raises(ValueError, match="why"):
            RealNumber(CLEAR).reveal("")

    def test_spellings_are_equal(self) -> None:
        """Two forms of one number are equal and hash alike, other numbers and strings are not."""
        number, same = RealNumber(CLEAR), RealNumber("+86 139 5678 1234")
        assert number == same
        assert hash(number) == hash(same)
        assert {number: 1}[same] == 1
        assert number != RealNumber("13956781235")
        assert number != CLEAR

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_is_not_pickled(self, protocol: int) -> None:
        """No pickle protocol takes it."""
        with pytest.raises(TypeError, match="seal"):
            pickle.dumps(RealNumber(CLEAR), protocol)

    def test_gives_no_state(self) -> None:
        """The hook by which copiers read attributes is closed too."""
        with pytest.raises(TypeError, match="seal"):
            RealNumber(CLEAR).__getstate__()

    def test_is_not_encoded(self) -> None:
        """JSON and msgpack refuse it, and a default=str writer gets the masked form."""
        with pytest.raises(TypeError):
            json.dumps(RealNumber(CLEAR))
        with pytest.raises(TypeError):
            msgspec.json.encode({"caller": RealNumber(CLEAR)})
        with pytest.raises(TypeError):
            msgspec.msgpack.encode(RealNumber(CLEAR))
        assert json.dumps(RealNumber(CLEAR), default=str) == '"139****1234"'

    def test_copies_are_itself(self) -> None:
        """Copying gives the same object, so copies of what holds it work."""
        number = RealNumber(CLEAR)
        assert copy.copy(number) is number
        assert copy.deepcopy({"caller": number})["caller"] is number

    def test_does_not_change(self) -> None:
        """It cannot be given another number, and has no dictionary."""
        number = RealNumber(CLEAR)
        with pytest.raises(AttributeError):
            number.other = 1  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            number._clear = "1"
        assert not hasattr(number, "__dict__")

    @pytest.mark.parametrize("text", ["", "   ", CLEAR * 6])
    def test_refuses_nothing_and_too_much_without_quoting_it(self, text: str) -> None:
        """The error does not repeat the text, not even in its traceback."""
        with pytest.raises(ValueError, match="1 to 64") as caught:
            RealNumber(text)
        assert CLEAR not in "".join(traceback.format_exception(caught.value))


class TestVault:
    """Sealing, opening, fingerprints and key rings."""

    def test_opens_what_it_sealed(self) -> None:
        """Sealing and opening gives the number back, and the sealed bytes do not hold it."""
        safe = vault()
        sealed = safe.seal(RealNumber(CLEAR))
        assert safe.open(sealed) == RealNumber(CLEAR)
        assert CLEAR.encode() not in sealed

    def test_sealing_twice_differs(self) -> None:
        """Each sealing has its own nonce, so equal numbers cannot be told from their ciphertexts."""
        safe = vault()
        assert safe.seal(RealNumber(CLEAR)) != safe.seal(RealNumber(CLEAR))

    def test_starts_with_key_id_and_nonce(self) -> None:
        """The layout is key id, nonce, ciphertext and tag."""
        sealed = vault(7).seal(RealNumber(CLEAR))
        assert sealed[:2] == b"\x00\x07"
        assert sealed[2:14] == (1).to_bytes(12, "big")
        assert len(sealed) == 2 + 12 + len(CLEAR) + 16
        assert key_of(sealed) == 7

    def test_seals_with_the_newest_key_and_opens_with_all(self) -> None:
        """After a key was added the old ciphertexts still open, new ones use the new key."""
        old, both = vault(1), vault(1, 2)
        sealed = old.seal(RealNumber(CLEAR))
        assert both.open(sealed) == RealNumber(CLEAR)
        assert key_of(both.seal(RealNumber(CLEAR))) == both.active_key == 2
        assert both.key_ids == (1, 2)

    def test_resealing_moves_to_the_newest_key(self) -> None:
        """Resealing changes only what is under another key."""
        both = vault(1, 2)
        sealed = vault(1).seal(RealNumber(CLEAR))
        moved = both.reseal(sealed)
        assert key_of(moved) == 2
        assert vault(2).open(moved) == RealNumber(CLEAR)
        assert both.reseal(moved) is moved

    def test_swap_takes_over_the_keys(self) -> None:
        """A vault that swaps in a longer ring seals with its newest key and fingerprints by its hash key."""
        safe, new = vault(1), vault(1, 2, hash_key=b"i" * 32)
        sealed = safe.seal(RealNumber(CLEAR))
        safe.swap(new)
        assert key_of(safe.seal(RealNumber(CLEAR))) == 2
        assert safe.open(sealed) == RealNumber(CLEAR)
        assert safe.fingerprint(RealNumber(CLEAR)) == new.fingerprint(RealNumber(CLEAR))

    @pytest.mark.parametrize("place", [2, 13, 14, -1])
    def test_notices_every_altered_part(self, place: int) -> None:
        """A changed nonce, ciphertext or tag is refused."""
        sealed = bytearray(vault().seal(RealNumber(CLEAR)))
        sealed[place] ^= 1
        with pytest.raises(VaultError, match="altered"):
            vault().open(Sealed(bytes(sealed)))

    def test_names_a_missing_key(self) -> None:
        """A ciphertext of a key that is not there says which one."""
        sealed = vault(3).seal(RealNumber(CLEAR))
        with pytest.raises(VaultError, match="key 3 is not"):
            vault(1).open(sealed)

    @pytest.mark.parametrize("length", [0, 1, 2, 29])
    def test_refuses_what_is_cut_short(self, length: int) -> None:
        """Too few bytes are no sealed number."""
        sealed = vault().seal(RealNumber(CLEAR))
        with pytest.raises(VaultError, match="short"):
            vault().open(Sealed(sealed[:length]))

    def test_fingerprints_are_equal_for_equal_numbers_only(self) -> None:
        """The fingerprint finds a number again, whatever its form, and depends on the hash key."""
        safe = vault()
        print_ = safe.fingerprint(RealNumber(CLEAR))
        assert len(print_) == 16
        assert print_ == safe.fingerprint(RealNumber("+8613956781234"))
        assert print_ != safe.fingerprint(RealNumber("13956781235"))
        assert print_ != vault(hash_key=b"g" * 32).fingerprint(RealNumber(CLEAR))

    @pytest.mark.parametrize(
        ("keys", "hash_key"),
        [
            ({}, b"h" * 32),
            ({0: b"k" * 32}, b"h" * 32),
            ({65536: b"k" * 32}, b"h" * 32),
            ({1: b"k" * 16}, b"h" * 32),
            ({1: b"k" * 32}, b"h" * 31),
            ({1: b"k" * 32}, b"k" * 32),
        ],
    )
    def test_refuses_keys_that_are_none(self, keys: dict[int, bytes], hash_key: bytes) -> None:
        """Key lengths and ids are checked, and the hash key is a key of its own."""
        with pytest.raises(VaultError, match="needs"):
            Vault(keys, hash_key, counting())

    def test_shows_no_key(self) -> None:
        """A vault's repr has nothing of its keys."""
        assert "1" * 8 not in repr(vault()).replace("0x", "")

    def test_seals_a_call_state(self) -> None:
        """Other bytes that hold numbers are sealed and opened alike."""
        safe = vault()
        sealed = safe.seal_state(b"state with 13956781234")
        assert CLEAR.encode() not in sealed
        assert safe.open_state(sealed) == b"state with 13956781234"
        with pytest.raises(VaultError, match="altered"):
            safe.open_state(sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_keyed_hashes_are_of_one_purpose() -> None:
    """Equal for equal data and purpose, of the key, apart from fingerprints, and taken over with new keys."""
    keys = vault()
    made = keys.keyed_hash(b"token", b"data")
    assert (len(made), made) == (32, vault().keyed_hash(b"token", b"data"))
    assert len({made, keys.keyed_hash(b"toke", b"ndata"), keys.keyed_hash(b"token"), keys.keyed_hash(b"data")}) == 4
    assert made[:16] != keys.fingerprint(RealNumber("data"))
    other = vault(hash_key=b"i" * 32)
    assert other.keyed_hash(b"token", b"data") != made
    keys.swap(other)
    assert keys.keyed_hash(b"token", b"data") == other.keyed_hash(b"token", b"data")
