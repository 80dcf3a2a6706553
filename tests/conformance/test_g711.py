"""G.711 against the vectors of ITU-T's software tool library: every 16-bit sample through both laws."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from media import g711

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("SWITCH_CORPUS") or ROOT.parent / "shared" / "data") / "g711"

pytestmark = pytest.mark.skipif(
    not (CORPUS / "sweep.src").is_file(), reason=f"no ITU-T vectors at {CORPUS}; set SWITCH_CORPUS"
)

# The letter in the file names of each law.
LAWS: list[tuple[g711.CodecName, str]] = [("PCMA", "a"), ("PCMU", "u")]


def vector(name: str) -> bytes:
    """Return a vector file."""
    return (CORPUS / name).read_bytes()


def test_the_sweep_is_every_sample() -> None:
    """The source holds each of the 65,536 values of a 16-bit sample."""
    source = vector("sweep.src")
    assert len({source[i : i + 2] for i in range(0, len(source), 2)}) == 65536


@pytest.mark.parametrize(("codec", "letter"), LAWS)
def test_encoding_gives_the_codes_of_the_vectors(codec: g711.CodecName, letter: str) -> None:
    """All 65,536 samples get the very code; the files hold one in the low octet of each word."""
    assert g711.encode(codec, vector("sweep.src")) == vector(f"sweep-r.{letter}")[::2]


@pytest.mark.parametrize(("codec", "letter"), LAWS)
def test_decoding_gives_the_samples_of_the_vectors(codec: g711.CodecName, letter: str) -> None:
    """All codes of the sweep become the very samples."""
    assert g711.decode(codec, vector(f"sweep-r.{letter}")[::2]) == vector(f"sweep-r.re{letter}")


@pytest.mark.parametrize(("codec", "letter"), LAWS)
def test_the_round_trip_gives_the_samples_of_the_vectors(codec: g711.CodecName, letter: str) -> None:
    """Encoding and decoding in one go is what the library's own tandem gives."""
    assert g711.decode(codec, g711.encode(codec, vector("sweep.src"))) == vector(f"sweep-r.{letter}-{letter}")
