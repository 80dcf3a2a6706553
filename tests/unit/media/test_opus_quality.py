"""Speech that is encoded as Opus for a browser, judged by ViSQOL against what was said."""

from __future__ import annotations

import numpy as np
import pytest

from media import codecs
from media.codecs import decoder, encoder, missing
from media.g711 import decode
from tests.support.quality import judged, need_visqol, speech
from tests.unit.media.test_codecs import tone

SECONDS = 4.0
DELAY = 52
"""Samples by which libopus is late at 8 kHz: 6.5 ms."""
BROWSERS = "minptime=10;useinbandfec=1"
"""What Chromium and Firefox say of their Opus."""

if missing(("opus",)):
    pytest.skip(f"not installed: {missing(('opus',))}", allow_module_level=True)


def heard(fmtp: str, *, lost_every: int = 0) -> float:
    """MOS-LQO of speech through Opus; the receiver makes up for packets that are lost, from the next where it can."""
    said = speech(SECONDS)
    pcm = decode("PCMA", said)
    enc, dec = encoder("opus", 8000, fmtp), decoder("opus", 8000)
    packets = [enc.encode(pcm[at : at + 320]) for at in range(0, len(pcm), 320)]
    samples = b""
    for place, packet in enumerate(packets):
        if lost_every and place % lost_every == lost_every - 1 and place + 1 < len(packets):
            samples += dec.recover(packets[place + 1], 160) or dec.conceal(160) or bytes(320)
        else:
            samples += dec.decode(packet)
    return judged(said, np.concatenate([np.frombuffer(samples, "<i2")[DELAY:], np.zeros(DELAY, np.int16)]))


@pytest.mark.parametrize(("fmtp", "lost_every"), [(BROWSERS, 0), ("", 0), (BROWSERS, 20)])
def test_speech_is_clear(fmtp: str, lost_every: int) -> None:
    """To a browser that takes FEC, one that does not, and the first where one packet in twenty is lost."""
    need_visqol()
    assert heard(fmtp, lost_every=lost_every) >= 4.4


def test_it_would_not_be_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bit rate that libopus takes where it is told none, there is no room for FEC."""
    need_visqol()
    monkeypatch.setitem(codecs.BITRATE, 8000, 11_000)
    assert heard(BROWSERS, lost_every=20) < 4.3


@pytest.mark.parametrize("hertz", [1650, 2250, 2550, 3000])
def test_who_has_heard_another_encoder_hears_the_next_one_right(hertz: int) -> None:
    """A tone is as loud as it was said, in turn with another encoder's; SILK would go on from what it heard before."""
    dec = decoder("opus", 8000)
    for _ in range(3):
        ours, others = encoder("opus", 8000, BROWSERS), encoder("opus", 8000, BROWSERS)
        samples = b"".join(dec.decode(ours.encode(frame)) for frame in tone(hertz, 50))
        assert np.abs(np.frombuffer(samples, "<i2")).max() < 8000 * 1.5
        for frame in tone(1200, 15):
            dec.decode(others.encode(frame))


@pytest.mark.parametrize(("said", "bitrate"), [("16000", 16_000), ("510000", 24_000), ("1", 24_000), ("x", 24_000)])
def test_a_peer_may_ask_for_less(said: str, bitrate: int) -> None:
    """By maxaveragebitrate (RFC 7587 §6.1), from 6,000 to 510,000; what is none of these is passed over."""
    enc = encoder("opus", 8000, f"maxaveragebitrate={said}")
    noise = np.random.default_rng(1).integers(-8000, 8000, 160 * 200).astype("<i2").tobytes()
    octets = sum(len(enc.encode(noise[at : at + 320])) for at in range(0, len(noise), 320))
    assert octets * 8 / 4 == pytest.approx(bitrate, rel=0.15)
