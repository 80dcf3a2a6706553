"""Where what a session's peer says goes: to the session it is bridged to, as it came or decoded, or into a room."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from media.codecs import KNOWN
from media.g711 import ALAW_TO_ULAW, SILENCE, ULAW_TO_ALAW
from media.rtp.packet import HEADER, MARKER, PLAIN, Packet
from media.worker.crypto_context import CryptoContext
from media.worker.late import LateSenders
from media.worker.line import Host
from media.worker.ports import BUFFER, VIEWS, Port
from media.worker.speaker import Speaker
from media.worker.transcoding import Ear, Transcoding

if TYPE_CHECKING:
    from media.worker.room import Seat

SILENT: Final = {codec: bytes([code]) for codec, code in SILENCE.items()}
_TRANSLATE: Final = {("PCMA", "PCMU"): ALAW_TO_ULAW, ("PCMU", "PCMA"): ULAW_TO_ALAW}
KEY_REST: Final = 0.1
"""Seconds for which a key that was the switch's may still sound after it was last told of."""
Put = Callable[[int, int, int, bytes], None]
"""Takes sequence, timestamp, source and payload of a packet."""

_pack_into = HEADER.pack_into


class Bridged(Speaker):
    """A speaker that may be bridged to another or seated in a room; what comes in is the session's."""

    __slots__ = ("_bond", "_bonded", "_ear", "_fed_ssrc", "_feeder", "_flooding", "_forward", "_hushed",
                 "_in_noise_pt", "_in_pt", "_key_until", "_mark", "_most", "_muffled", "_noise_pt", "_oversized",
                 "_peer", "_peer_pt", "_peer_ssrc", "_put", "_receives", "_relayed_at", "_relayed_seq",
                 "_relayed_ssrc", "_relayed_ts", "_rewrite", "_seq_offset", "_shifted", "_table", "_translates",
                 "_ts_offset", "concealed", "dropped", "muted", "seat", "skipped")  # fmt: skip

    def __init__(self, port: Port, gen: int, host: Host, now: float, late: LateSenders) -> None:
        super().__init__(port, gen, host, now, late)
        # What Open says of what is passed on.
        self._in_pt = -1
        self._in_noise_pt: int | None = None
        self._noise_pt: int | None = None
        self._most = 0
        self._receives = False
        # A flood is passed on to nobody.
        self._flooding = False
        self.dropped = 0
        # Where it goes: the peer's last packet of ours is remembered as it came, with the offsets it left with.
        self._peer: Bridged | None = None
        self._forward: Bridged | None = None
        self._relayed_ssrc = self._fed_ssrc = -1
        self._relayed_seq = self._relayed_ts = self._seq_offset = self._ts_offset = 0
        self._peer_ssrc = self._peer_pt = 0
        self._relayed_at = 0.0
        self._rewrite = self._shifted = self._mark = False
        self._table: bytes | None = None
        # What decodes and encodes between the two where packets cannot be passed on, and for which formats it was made;
        # whether packets are longer than the peer takes; whether keys go on in another form.
        self._bond: Transcoding | None = None
        self._bonded: tuple[object, ...] = ()
        self._oversized = self._translates = False
        # Whose packets went out last.
        self._feeder: Bridged | None = None
        # Its place in a room; where what it says goes then, or to whom silence in its place while it is muted.
        self.seat: Seat | None = None
        self.muted = False
        self._put: Put | None = None
        self._ear: Ear | None = None
        self._muffled: Bridged | None = None
        # How long a key of the switch's may sound yet, which is for nobody else; whether that is waited for.
        self._key_until = float("-inf")
        self._hushed = False
        self.concealed = self.skipped = 0

    # --- to be told by the session ---

    def _copy_anew(self) -> None:
        """What is copied of it has to be silence, or is not any more."""
        raise NotImplementedError

    # --- commands ---

    @property
    def hushed(self) -> bool:
        """Whether nobody is to hear what comes, since a key that was for the switch may sound."""
        return self._hushed

    @property
    def codec(self) -> str:
        """The codec that is spoken."""
        return self._codec

    @property
    def clock(self) -> int:
        """Of the timestamps, in Hz."""
        return self._out.clock

    @property
    def transcoded(self) -> bool:
        """Whether it is bridged to one that speaks otherwise."""
        return self._bond is not None

    def bridge(self, peer: Bridged) -> bool:
        """Relays both ways between this session and `peer`; each leaves the bridge it was in. False: as it was."""
        if self._peer is peer or peer is self:
            return False
        self.unbridge()
        peer.unbridge()
        self._peer = peer
        peer._peer = self
        self._relink()
        return True

    def unbridge(self) -> None:
        """Ends relaying from and to this session."""
        peer = self._peer
        if peer is not None:
            bonded = self._bond is not None
            if bonded:
                self._unbind()
            self._peer = peer._peer = None
            self._forward = peer._forward = None
            self._muffled = peer._muffled = None
            self._settle()
            peer._settle()
            if bonded:
                self._decide()
                peer._decide()

    def sit(self, seat: Seat | None) -> None:
        """Says from now on what it says into a room, or no more."""
        if seat is not self.seat:
            self._mixed_last = False
        self.seat = seat
        if seat is not None:
            seat.tune(self._codec)
        self._decide()

    def mute(self, on: bool) -> None:
        """Lets what comes be silence to whoever hears it, or audio again."""
        self.muted = on
        self._decide()

    def outgoing(self, now: float) -> tuple[int, int]:
        """The source of what the peer gets, and its timestamp at `now`."""
        out, feeder = self._out, self._feeder
        if feeder is None:
            ts, at = out.ts, out.at
        else:
            ts, at = feeder._relayed_ts + feeder._ts_offset, feeder._relayed_at
        return out.ssrc, (ts + int((now - at) * out.clock)) & 0xFFFFFFFF

    # --- relaying ---

    def _write_header(self, second: int, seq: int, ts: int) -> None:
        """Puts a header into BUFFER as the peer is to see it."""
        if self._mark:
            second |= MARKER
            self._mark = False
        seq = (seq + self._seq_offset) & 0xFFFF
        _pack_into(BUFFER, 0, PLAIN, second, seq, (ts + self._ts_offset) & 0xFFFFFFFF, self._peer_ssrc)

    def _relay(self, packet: Packet, now: float) -> None:
        """Sends a packet on, built anew: extensions, contributors and padding may tell who the peer is."""
        is_audio = packet.payload_type == self._in_pt
        peer = self._forward
        if peer is None:
            if not is_audio:
                return
            if self._put is not None:
                self._put(packet.seq, packet.ts, packet.ssrc, packet.payload)
            peer = self._muffled
            if peer is None:
                return
            packet = replace(packet, payload=SILENT[self._codec] * len(packet.payload))
        payload_type = peer._pt if is_audio else peer._event_pt
        if packet.payload_type == self._in_noise_pt:
            payload_type = peer._noise_pt
        if payload_type is None:
            self.dropped += 1
            return
        if packet.ssrc != self._relayed_ssrc:
            self._begin_relay(peer, packet.seq, packet.ts, packet.ssrc, now)
        self._relayed_seq = packet.seq
        self._relayed_ts = packet.ts
        self._relayed_at = now
        payload = packet.payload
        if is_audio and self._table is not None:
            payload = payload.translate(self._table)
        self._write_header((MARKER if packet.marker else 0) | payload_type, packet.seq, packet.ts)
        size = 12 + len(payload)
        BUFFER[12:size] = payload
        peer.transmit(VIEWS[size])

    def _begin_relay(self, peer: Bridged, seq: int, ts: int, ssrc: int, now: float) -> None:
        """Before the first packet of a source: what the peer gets must go on from what it got (RFC 3550 §5.1)."""
        goes_on = peer._feeder is self and self._fed_ssrc == ssrc
        if not goes_on or self._shifted:
            peer._settle()
            out = peer._out
            self._shifted = out.started
            if out.started:
                next_seq, next_ts = out.resume(now)
                self._seq_offset = next_seq - seq
                self._ts_offset = next_ts - ts
                self._mark = True
            else:
                self._seq_offset = self._ts_offset = 0
                out.ssrc = ssrc
            peer._feeder = self
            self._fed_ssrc = ssrc
        self._relayed_ssrc = ssrc
        self._peer_ssrc = peer._out.ssrc
        self._peer_pt = peer._pt
        self._rewrite = self._shifted or self._in_pt != peer._pt or self._table is not None

    def _settle(self) -> None:
        """Notes where the session that fed this one's peer has left off."""
        feeder = self._feeder
        if feeder is not None:
            seq = (feeder._relayed_seq + feeder._seq_offset) & 0xFFFF
            ts = (feeder._relayed_ts + feeder._ts_offset) & 0xFFFFFFFF
            self._out.sent(seq, ts, feeder._relayed_at)
            self._feeder = None
            self._mixed_last = False

    def number_anew(self, context: CryptoContext) -> None:
        """What is relayed or said to here goes on ahead of all numbers that were used."""
        feeder = self._feeder
        self._settle()
        self._out.seq, self._out.ts = context.renumber()
        if feeder is not None:
            feeder._relayed_ssrc = feeder._fed_ssrc = -1

    # --- what goes where ---

    @property
    def _key_sounds(self) -> bool:
        """Whether a key that was for the switch may not be over."""
        return self.last_at < self._key_until

    def _relink(self) -> None:
        """After any change: decides anew what is relayed from here and to here."""
        peer = self._peer
        if peer is None:
            self._decide()
            return
        self._bind(peer)
        self._decide()
        peer._decide()

    def _bind(self, peer: Bridged) -> None:
        """Two who cannot be relayed, but decoded, are transcoded; nothing changes where that is so already."""
        same = self._codec == peer._codec and self._out.clock == peer._out.clock
        passes = same or (self._codec, peer._codec) in _TRANSLATE
        oversized = self._oversized or peer._oversized
        needed = (not passes or oversized) and self._codec in KNOWN and peer._codec in KNOWN
        key = (self._codec, self._fmtp, peer._codec, peer._fmtp) if needed else ()
        if key != self._bonded:
            self._unbind()
            if needed:
                self._settle()
                peer._settle()
                self._bond = peer._bond = Transcoding(self, peer)
                self._bonded, peer._bonded = key, (*key[2:], *key[:2])

    def _unbind(self) -> None:
        if self._bond is not None:
            self._bond.end()
        for session in (self, self._peer):
            if session is not None:
                session._bond, session._bonded = None, ()

    def _passes_keys(self, peer: Bridged) -> bool:
        """Whether the telephone-events of one are those of the other."""
        events = peer._event_pt is not None and self._event_clock == peer._event_clock
        return events and self._bond is None and peer._form not in ("info", "inband")

    def _decide(self) -> None:
        peer = self._peer
        self._relayed_ssrc = -1
        self._forward = muffled = put = None
        self._ear = None
        self._translates = peer is not None and not self._passes_keys(peer)
        heard = self._receives and not self._flooding
        hushed = self._key_sounds
        silent = self.muted or hushed
        if peer is not None and self._bond is not None:
            on = heard and not silent and peer._transmits
            self._bond.listen(self, on)
            if on:
                self._ear = self._bond.ear(self)
                put = self._ear.put
        elif peer is not None:
            self._table = _TRANSLATE.get((self._codec, peer._codec))
            passes = self._codec == peer._codec or self._table is not None
            if passes and heard and peer._transmits and not peer._is_sending():
                if not silent:
                    self._forward = peer
                elif self._codec in SILENT:
                    muffled = peer
        elif self.seat is not None and self.seat.listened_to:
            if heard and not silent:
                self._ear = self.seat.buffer
                put = self._ear.put
            else:
                # Not even what waits there is heard any more.
                self.seat.buffer.clear()
        if muffled is not self._muffled or put != self._put or hushed is not self._hushed:
            self._muffled = muffled
            self._put = put
            if hushed is not self._hushed:
                self._hushed = hushed
                self._copy_anew()
            self._choose_reader()
