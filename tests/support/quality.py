"""How good a voice is, as ViSQOL hears it: MOS-LQO of what was heard against what was said."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from media.g711 import decode
from tests.support.pcap import read_udp
from tests.support.sipp import SPEECH

WIDE = 16_000
"""What the speech mode of ViSQOL listens to, samples a second."""


def need_visqol() -> None:
    """Skip the test, aloud, without ViSQOL and the mapping to MOS that its reference has, or without speech."""
    for module in ("visqol", "ai_edge_litert"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install -c constraints.txt -e '.[quality]'")
    if not SPEECH.exists():
        pytest.skip(f"{SPEECH} is missing: apt-get install sip-tester")


def speech(seconds: float) -> bytes:
    """Somebody who speaks, as PCMA: once through G.711."""
    codes = b"".join(captured.payload[12:] for captured in read_udp(SPEECH))
    assert len(codes) >= seconds * 8000
    return codes[: round(seconds * 50) * 160]


def judged(said: bytes, heard: bytes | NDArray[np.int16]) -> float:
    """MOS-LQO, 1 to 5, of PCMA or of samples at 8 kHz; the same octets get 4.5."""
    from visqol import VisqolApi

    api: Any = VisqolApi()
    api.create(mode="speech", use_lattice_model=True)
    return float(api.measure_from_arrays(_upsampled(said), _upsampled(heard), WIDE).moslqo)


def _upsampled(sound: bytes | NDArray[np.int16]) -> NDArray[np.float64]:
    samples = np.frombuffer(decode("PCMA", sound), "<i2") if isinstance(sound, bytes) else sound
    wide: NDArray[np.float64] = soxr.resample(samples.astype(np.float64) / 32768, 8000, WIDE)
    return wide
