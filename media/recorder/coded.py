"""Packets of a codec with a state as packets of A-law, as which they are placed and written."""

from __future__ import annotations

from typing import Final

from media.codecs import decoder, encoder
from media.recorder.protocol import PACKET
from media.rtp.packet import Packet, parse

CLOCKS: Final = {"G722": 8000, "opus": 48000}
"""Of the timestamps, in Hz."""
RATE: Final = 8000
NO_AUDIO: Final = 127
"""The payload type of what holds no audio, which is told by its header alone."""


class CodedTrack:
    """One direction, in the order in which its packets came."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self._decoder = decoder(codec, RATE)
        self._encoder = encoder("PCMA")
        self._ticks = CLOCKS[codec] // RATE
        self._last = -1
        self._at = 0  # timestamps counted on, without a wrap

    def as_alaw(self, packets: bytes, payload_type: int) -> bytes:
        """The same packets with A-law and its timestamps in them; what is no packet is left out."""
        out = []
        at = 0
        while at + PACKET.size <= len(packets):
            time, size = PACKET.unpack_from(packets, at)
            at += PACKET.size + size
            packet = parse(packets[at - size : at])
            if packet is None:
                continue
            is_audio = packet.payload_type == payload_type and packet.payload
            codes = self._encoder.encode(self._decoder.decode(packet.payload)) if is_audio else b""
            number = payload_type if codes else NO_AUDIO
            data = bytes(Packet(number, packet.seq, self._scaled(packet.ts), packet.ssrc, codes, packet.marker))
            out.append(PACKET.pack(time, len(data)) + data)
        return b"".join(out)

    def _scaled(self, ts: int) -> int:
        if self._last < 0:
            self._at = ts
        else:
            self._at += ((ts - self._last + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        self._last = ts
        return self._at // self._ticks & 0xFFFFFFFF
