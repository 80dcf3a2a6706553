"""Keys as tones in the audio of a codec that has to be decoded first."""

from __future__ import annotations

from media.codecs import CODED, decoder, encoder
from media.rtp.inband import RATE, ToneReader


class CodedToneReader(ToneReader):
    """The keys of one stream of G.722 or Opus."""

    __slots__ = ("_decoder", "_encoder", "_ticks")

    def __init__(self, codec: str, clock: int) -> None:
        super().__init__("PCMA")
        self.spoken = codec
        self._decoder = decoder(codec, RATE)
        self._encoder = encoder("PCMA")
        self._ticks = clock // RATE

    def feed(self, seq: int, ts: int, ssrc: int, payload: bytes) -> None:
        """Takes a packet; late ones are left out."""
        super().feed(seq, ts // self._ticks, ssrc, self._encoder.encode(self._decoder.decode(payload)))


def tone_reader(codec: str, clock: int) -> ToneReader:
    """What finds keys in a codec of ours."""
    return CodedToneReader(codec, clock) if codec in CODED else ToneReader(codec)
