"""The session of a leased port: what comes in is counted, read for digits, relayed or put into a room."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from media.codecs import KNOWN
from media.control import USUAL, Heard, KeyForOther, Open, Silence, StreamStats, Unauthentic, Wire
from media.g711 import ALAW_TO_ULAW, SILENCE, ULAW_TO_ALAW
from media.rtp.dtmf import DigitReceiver
from media.rtp.inband import ToneReader
from media.rtp.packet import HEADER, MARKER, PLAIN, Packet, is_rtcp, parse
from media.rtp.parcels import OCTETS_A_MS
from media.rtp.stats import Reception
from media.worker.coded_tones import tone_reader
from media.worker.crypto_context import CryptoContext
from media.worker.line import Host, Reader
from media.worker.ports import BUFFER, VIEWS, Address, Port
from media.worker.reporting import Reporting
from media.worker.speaker import Speaker
from media.worker.transcoding import Ear, Transcoding

if TYPE_CHECKING:
    from media.worker.room import Seat
    from media.worker.tape import Tape

FLOOD: Final = 1000
"""Packets a second that no telephone sends, but two ports sending to each other do."""

SILENT: Final = {codec: bytes([code]) for codec, code in SILENCE.items()}
_TRANSLATE: Final = {("PCMA", "PCMU"): ALAW_TO_ULAW, ("PCMU", "PCMA"): ULAW_TO_ALAW}
Put = Callable[[int, int, int, bytes], None]
"""Takes sequence, timestamp, source and payload of a packet."""

_unpack = HEADER.unpack_from
_pack_into = HEADER.pack_into


class Session(Speaker):
    """One generation of a port, from Open to Release."""

    __slots__ = ("_bond", "_bonded", "_ear", "_fed_ssrc", "_feeder", "_flooding", "_forward", "_in_event_pt",
                 "_in_noise_pt", "_in_pt", "_listens", "_mark", "_most", "_muffled", "_noise_pt", "_octets",
                 "_oversized", "_peer", "_peer_pt", "_peer_ssrc", "_put", "_receiver", "_receives", "_reception",
                 "_relayed_at", "_relayed_seq", "_relayed_ssrc", "_relayed_ts", "_reported_at", "_rewrite", "_seen",
                 "_seq_offset", "_shifted", "_silence_told", "_table", "_translates", "_ts_offset", "_waits_since",
                 "_wire", "concealed", "digits", "dropped", "hidden_until", "muted", "reporting", "seat", "skipped",
                 "tape", "tones")  # fmt: skip

    def __init__(self, port: Port, gen: int, host: Host, now: float, previous: Address | None = None) -> None:
        super().__init__(port, gen, host, now, previous)
        # What Open says of what comes in.
        self._in_pt = -1
        self._in_event_pt: int | None = None
        self._in_noise_pt: int | None = None
        self._wire: Wire | None = None
        self._noise_pt: int | None = None
        self._most = 0
        self._listens = self._receives = False
        # What comes in.
        self._reception = Reception()
        self._receiver = DigitReceiver()
        self._octets = self._seen = self.dropped = self.digits = 0
        self._waits_since = now
        self._flooding = False
        self._silence_told = 0  # 1: but for RTCP
        self._reported_at = float("-inf")
        self.reporting = Reporting(host.random(16), now)
        # Where it goes: the peer's last packet of ours is remembered as it came, with the offsets it left with.
        self._peer: Session | None = None
        self._forward: Session | None = None
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
        self._feeder: Session | None = None
        # Its place in a room; where what it says goes then, or to whom silence in its place while it is muted.
        self.seat: Seat | None = None
        self.muted = False
        self._put: Put | None = None
        self._ear: Ear | None = None
        self._muffled: Session | None = None
        self.concealed = self.skipped = 0
        # Keys that come as tones, what records the session, until when it must not hear.
        self.tones: ToneReader | None = None
        self.tape: Tape | None = None
        self.hidden_until = 0.0

    # --- commands ---

    def update(self, command: Open, now: float) -> None:
        """Takes over what an Open says; a new remote address latches anew."""
        latch = self.port.address(command.latch_ip, 1)
        address = self.port.address(command.remote_ip, command.remote_port)
        self.set_remote(address, latch[0] if latch is not None else "")
        reports = self.port.address(command.remote_ip, command.rtcp_port) if command.rtcp_port else None
        self.reporting.place(reports, command.rtcp_mux, address)
        self.secure(command.secured, now)
        self._pt = command.audio_pt
        self._codec = command.codec
        self._event_pt = command.event_pt
        if command.wire is not self._wire:
            self._rewire(command.wire or USUAL)
            self._wire = command.wire
        self._in_pt = command.audio_pt if command.receive_pt is None else command.receive_pt
        self._in_event_pt = command.event_pt if command.receive_event_pt is None else command.receive_event_pt
        if command.receive and not self._receives:
            self._waits_since = now
        self._receives = command.receive
        self._transmits = command.send
        self._listens = command.digits
        inband = self._form == "inband"
        self.stamp(command.digits or inband)
        tones = (inband or (command.digits and self._in_event_pt is None)) and command.codec in KNOWN
        if not tones:
            self.tones = None
        elif self.tones is None or self.tones.spoken != command.codec:
            self.tones = tone_reader(command.codec, self._out.clock)
        if self._playback is not None:
            self._playback.use(self._codec)
        if self.seat is not None:
            self.seat.tune(command.codec)
        self._relink()

    def _rewire(self, wire: Wire) -> None:
        """How the stream differs from a usual one."""
        self._event_clock = wire.event_clock
        self._receiver.clock = float(wire.event_clock)
        self._reception.clock = float(wire.clock)
        self._form = wire.keys
        self._pack_for(wire.clock, wire.fmtp, wire.ptime, wire.maxptime)
        self._most = wire.maxptime
        self._noise_pt, self._in_noise_pt = wire.noise_pt, wire.receive_noise_pt

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

    @property
    def listens(self) -> bool:
        """Whether keys are for us, rather than for the other side."""
        return self._listens

    @property
    def formats(self) -> tuple[int, int, str]:
        """The payload types of audio that comes and that goes, and its codec."""
        return self._in_pt, self._pt, self._codec

    def bridge(self, peer: Session) -> None:
        """Relays both ways between this session and `peer`; each leaves the bridge it was in."""
        if self._peer is not peer and peer is not self:
            self.unbridge()
            peer.unbridge()
            self._peer = peer
            peer._peer = self
            self._relink()

    def unbridge(self) -> None:
        """Ends relaying from and to this session."""
        peer = self._peer
        if peer is not None:
            bonded = self._bond is not None
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

    def release(self, now: float) -> StreamStats:
        """Ends the session."""
        self.reporting.leave(self, now)
        found = self.reporting.found(self)
        self._keys = None
        self.stop_play()
        self.unbridge()
        self.close()
        came = self._reception
        return StreamStats(
            received=came.received,
            received_octets=self._octets,
            sent=self.sent,
            sent_octets=self.sent_octets,
            lost=came.lost,
            jitter_ms=came.jitter_ms,
            jitter_max_ms=came.jitter_max_ms,
            strangers=self.strangers,
            dropped=self.dropped,
            rtcp=self.rtcp,
            send_errors=self.send_errors,
            first_at=self.first_at,
            last_at=None if self.first_at is None else self.last_at,
            concealed=self.concealed,
            skipped=self.skipped,
            rtcp_sent=found.rtcp_sent,
            rtcp_refused=found.rtcp_refused,
            round_trip_ms=found.round_trip_ms,
            peer_lost=found.peer_lost,
            peer_jitter_ms=found.peer_jitter_ms,
            mos_in=found.mos_in,
            mos_out=found.mos_out,
            unauthentic=0 if self.context is None else self.context.refused,
        )

    def quiet_for(self, now: float) -> float:
        """Seconds since the peer was heard, or since it was allowed to speak."""
        return now - max(self.last_at, self._waits_since)

    def check(self, now: float, interval: float, silence: float) -> None:
        """Every `interval`: unlatches a silent peer, tells of a long silence, stops relaying a flood, reports."""
        self.unlatch_if_silent(now)
        self.reporting.check(self, now)
        if self.context is not None and self.context.check(now):
            self.host.emit(Unauthentic(self.port.number, self.gen))
        self._look_for_silence(now, silence)
        received = self._reception.received
        peer = self._peer
        if peer is not None and peer._most and received and not self._oversized:
            self._oversized = self._octets // received - 12 > peer._most * OCTETS_A_MS.get(self._codec, 1 << 16)
            if self._oversized:
                self._relink()
        flooding = received - self._seen > FLOOD * interval
        self._seen = received
        if flooding is not self._flooding:
            self._flooding = flooding
            self._relink()

    def _look_for_silence(self, now: float, silence: float) -> None:
        if self.quiet_for(now) <= silence or not self._receives:
            if self._silence_told:
                self._silence_told = 0
                self.host.emit(Heard(self.port.number, self.gen))
            return
        alive = now - self._reported_at <= silence
        worse = 1 if alive else 2
        if worse > self._silence_told:
            self._silence_told = worse
            self.host.emit(Silence(self.port.number, self.gen, alive))

    @property
    def reception(self) -> Reception:
        """What is counted of the stream that comes."""
        return self._reception

    def outgoing(self, now: float) -> tuple[int, int]:
        """The source of what the peer gets, and its timestamp at `now`."""
        out, feeder = self._out, self._feeder
        if feeder is None:
            ts, at = out.ts, out.at
        else:
            ts, at = feeder._relayed_ts + feeder._ts_offset, feeder._relayed_at
        return out.ssrc, (ts + int((now - at) * out.clock)) & 0xFFFFFFFF

    # --- receiving and relaying ---

    def is_expected(self, size: int) -> bool:
        """Whether a datagram is RTP as negotiated, so that its sender may be latched to; counts it if not."""
        packet = parse(bytes(VIEWS[size]))
        if packet is not None and packet.payload_type in (self._in_pt, self._in_event_pt, self._in_noise_pt):
            return True
        self.dropped += 1
        return False

    def _read_latched(self, now: float) -> None:
        """The hot path: what `accept` does, for the usual packet and in as few steps as can be."""
        # CPython 3.11 specialises the reading of a slot, but not the call of what it holds: hence in two steps.
        receive = self._receive
        try:
            size = receive(BUFFER)
        except OSError:
            return
        first, second, seq, ts, ssrc = _unpack(BUFFER)
        if size < 12 or first != PLAIN or second & 0x7F != self._in_pt:
            self.accept(size, now)
            return
        self.last_at = now
        self._octets += size
        self._reception.audio(seq, ts, ssrc, now)
        peer = self._forward
        if peer is None:
            return
        if ssrc != self._relayed_ssrc:
            self._begin_relay(peer, seq, ts, ssrc, now)
        self._relayed_seq = seq
        self._relayed_ts = ts
        self._relayed_at = now
        if self._rewrite:
            self._write_header(second & MARKER | self._peer_pt, seq, ts)
            if self._table is not None:
                BUFFER[12:size] = BUFFER[12:size].translate(self._table)
        peer.transmit(VIEWS[size])

    def _latched_reader(self) -> Reader:
        return self._read_latched if self._put is None and self._muffled is None else self._read_elsewhere

    def _read_elsewhere(self, now: float) -> None:
        """What `_read_latched` does where nothing is relayed as it is."""
        receive = self._receive
        try:
            size = receive(BUFFER)
        except OSError:
            return
        first, second, seq, ts, ssrc = _unpack(BUFFER)
        put = self._put
        if size < 12 or first != PLAIN or second & 0x7F != self._in_pt or put is None:
            self.accept(size, now)
            return
        self.last_at = now
        self._octets += size
        self._reception.audio(seq, ts, ssrc, now)
        put(seq, ts, ssrc, bytes(VIEWS[size][12:]))

    def _write_header(self, second: int, seq: int, ts: int) -> None:
        """Puts a header into BUFFER as the peer is to see it."""
        if self._mark:
            second |= MARKER
            self._mark = False
        seq = (seq + self._seq_offset) & 0xFFFF
        _pack_into(BUFFER, 0, PLAIN, second, seq, (ts + self._ts_offset) & 0xFFFFFFFF, self._peer_ssrc)

    def accept(self, size: int, now: float) -> None:
        """Counts a datagram of the peer, which is in BUFFER, and passes it on or takes the key it tells of."""
        data = bytes(VIEWS[size])
        if is_rtcp(data):
            self.rtcp += 1
            self._reported_at = now
            self.reporting.take(self, data, now, None)
            return
        packet = parse(data)
        if packet is None:
            self.dropped += 1
            return
        self.last_at = now
        self._octets += size
        if packet.payload_type == self._in_pt:
            self._reception.audio(packet.seq, packet.ts, packet.ssrc, now)
            if self.tones is not None and self._receives:
                self.tones.feed(packet.seq, packet.ts, packet.payload)
                self.host.sounded(self, now)
                if self.tones.sounding and not self._listens and self._codec in SILENT:
                    # The key goes on in another form, and is not to be heard as well.
                    packet = replace(packet, payload=SILENT[self._codec] * len(packet.payload))
            self._relay(packet, now)
            return
        self._reception.other(packet.seq, packet.ssrc)
        if self._ear is not None:
            self._ear.skip(packet.seq)
        self._accept_other(packet, now)

    def _accept_other(self, packet: Packet, now: float) -> None:
        """What shares the stream of the audio: comfort noise, keys."""
        if packet.payload_type == self._in_noise_pt:
            if self._forward is not None and self._forward._noise_pt is not None:
                self._relay(packet, now)
        elif packet.payload_type != self._in_event_pt:
            self.dropped += 1
        else:
            # Who has events is not searched for tones: each key would be told twice.
            self.tones = None
            self._accept_key(packet, now)

    def _accept_key(self, packet: Packet, now: float) -> None:
        """Takes a telephone-event, or lets the other side have it."""
        if self._translates and not self._listens:
            digit = self._receiver.feed(now, packet.seq, packet.ts, packet.ssrc, packet.marker, packet.payload)
            if digit is not None and self._receives:
                self.pass_on(digit, now)
        elif not self._listens:
            # The rest of a key that was taken here, such as a secret's last one, is not the other side's.
            if not self._receiver.goes_on(now, packet.seq, packet.ts, packet.ssrc, packet.marker, packet.payload):
                self._relay(packet, now)
        elif self._receives:
            digit = self._receiver.feed(now, packet.seq, packet.ts, packet.ssrc, packet.marker, packet.payload)
            if digit is not None:
                self.digits += 1
                self.host.pressed(self, digit, now, now)

    def pass_on(self, digit: str, now: float) -> None:
        """A key that was pressed in a talk goes to the other side in the form it understands."""
        peer = self._peer
        if peer is None:
            return
        self.digits += 1
        if peer._form == "info":
            self.host.emit(KeyForOther(self.port.number, self.gen, digit))
        else:
            peer.send_digits(digit, now)

    def accept_report(self, data: bytes, source: Address, now: float) -> None:
        """Takes what came from the peer's host to the port of the reports."""
        self._reported_at = now
        self.reporting.take(self, data, now, source)

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

    def _begin_relay(self, peer: Session, seq: int, ts: int, ssrc: int, now: float) -> None:
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

    def number_anew(self, context: CryptoContext) -> None:
        """What is relayed or said to here goes on ahead of all numbers that were used."""
        feeder = self._feeder
        self._settle()
        self._out.seq, self._out.ts = context.renumber()
        if feeder is not None:
            feeder._relayed_ssrc = feeder._fed_ssrc = -1

    def _relink(self) -> None:
        """After any change: decides anew what is relayed from here and to here."""
        peer = self._peer
        if peer is None:
            self._decide()
            return
        self._bind(peer)
        self._decide()
        peer._decide()

    def _bind(self, peer: Session) -> None:
        """Two who cannot be relayed, but decoded, are transcoded; nothing changes where that is so already."""
        same = self._codec == peer._codec and self._out.clock == peer._out.clock
        table = (self._codec, peer._codec) in _TRANSLATE
        oversized = self._oversized or peer._oversized
        needed = ((not same and not table) or oversized) and self._codec in KNOWN and peer._codec in KNOWN
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

    def _passes_keys(self, peer: Session) -> bool:
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
        if peer is not None and self._bond is not None:
            on = heard and not self.muted and peer._transmits
            self._bond.listen(self, on)
            if on:
                self._ear = self._bond.ear(self)
                put = self._ear.put
        elif peer is not None:
            self._table = _TRANSLATE.get((self._codec, peer._codec))
            passes = self._codec == peer._codec or self._table is not None
            if passes and heard and peer._transmits and not peer._is_sending():
                if not self.muted:
                    self._forward = peer
                elif self._codec in SILENT:
                    muffled = peer
        elif self.seat is not None and self.seat.listened_to:
            if heard and not self.muted:
                self._ear = self.seat.buffer
                put = self._ear.put
            else:
                # Not even what waits there is heard any more.
                self.seat.buffer.clear()
        if muffled is not self._muffled or put != self._put:
            self._muffled = muffled
            self._put = put
            self._choose_reader()
