"""The session of a leased port: what comes in is counted, read for digits and passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from media.codecs import KNOWN
from media.control import SECRET_REST, USUAL, Open, Wire
from media.events import Heard, KeyForOther, KeyHeld, KeyPassed, Silence, StreamStats, Unauthentic
from media.rtp.dtmf import KEYS, RESTART, DigitReceiver
from media.rtp.inband import ToneReader
from media.rtp.packet import HEADER, MARKER, PLAIN, Packet, is_rtcp, parse
from media.rtp.parcels import OCTETS_A_MS
from media.rtp.stats import Reception
from media.worker.bridged import KEY_REST, SILENT, Bridged
from media.worker.coded_tones import tone_reader
from media.worker.late import LateSenders
from media.worker.line import Host, Reader
from media.worker.ports import BUFFER, VIEWS, Address, Port, has_waiting
from media.worker.reporting import Reporting

if TYPE_CHECKING:
    from media.worker.tape import Tape

FLOOD: Final = 1000
"""Packets a second that no telephone sends, but two ports sending to each other do."""

MOST_WAITING: Final = 16
"""Datagrams that are still read before keys are the other side's: more than a third of a second of audio and keys."""
_ALWAYS: Final = float("inf")
_NEVER: Final = float("-inf")

_unpack = HEADER.unpack_from


class Session(Bridged):
    """One generation of a port, from Open to Release."""

    __slots__ = ("_handed_at", "_in_event_pt", "_listens", "_octets", "_passed_at", "_passed_ts", "_receiver",
                 "_reception", "_reported_at", "_secret_until", "_seen", "_silence_told", "_waits_since", "_wire",
                 "digits", "hidden_until", "reporting", "tape", "tells_tones", "tones")  # fmt: skip

    def __init__(self, port: Port, gen: int, host: Host, now: float, late: LateSenders = ()) -> None:
        super().__init__(port, gen, host, now, late)
        # What Open says of what comes in.
        self._in_event_pt: int | None = None
        self._wire: Wire | None = None
        self._listens = False
        # What comes in.
        self._reception = Reception()
        self._receiver = DigitReceiver()
        self._octets = self._seen = self.digits = 0
        self._waits_since = now
        self._silence_told = 0  # 1: but for RTCP
        self._reported_at = float("-inf")
        self.reporting = Reporting(host.random(16), now)
        # Keys that come as tones, what records the session, until when it must not hear.
        self.tones: ToneReader | None = None
        self.tells_tones = False
        self.tape: Tape | None = None
        self.hidden_until = 0.0
        # Since when keys are the other side's, until when those that begin are of a secret; the last event passed on.
        self._handed_at = self._secret_until = _NEVER
        self._passed_ts = -1
        self._passed_at = _NEVER

    # --- commands ---

    def update(self, command: Open, now: float) -> None:
        """Takes over what an Open says; a new remote address latches anew."""
        if self._listens and not command.digits:
            self._hand_keys(now)
        port = self.port
        address = port.address(command.remote_ip, command.remote_port)
        self.set_remote(address, port.canonical(command.latch_ip), follows=command.follows)
        reports = port.address(command.remote_ip, command.rtcp_port) if command.rtcp_port else None
        self.reporting.place(reports, command.rtcp_mux, address)
        if command.secured is not None or self.context is not None:
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
        if (command.digits or inband) is not self._stamped:
            self.stamp(not self._stamped)
        tones = (inband or (command.digits and self._in_event_pt is None)) and command.codec in KNOWN
        if not tones:
            if not self._key_sounds:
                self.tones = None
        elif self.tones is None or self.tones.spoken != command.codec:
            self.tones = tone_reader(command.codec, self._out.clock)
        self.tells_tones = tones
        if self._playback is not None:
            self._playback.use(self._codec)
        if command.codec not in KNOWN:
            # What has not sounded yet cannot any more.
            self._tones_out = None
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

    def _hand_keys(self, now: float) -> None:
        """Keys are the other side's from now on; what came before, but was not read yet, is not."""
        rtp = self.port.rtp
        for _ in range(MOST_WAITING):
            if not has_waiting(rtp):
                break
            self.host.readers[rtp.fileno()](now)
        self._handed_at = now

    @property
    def listens(self) -> bool:
        """Whether keys are for us, rather than for the other side."""
        return self._listens

    @property
    def ours_until(self) -> float:
        """Until when keys that begin are for us."""
        return _ALWAYS if self._listens else max(self._handed_at, self._secret_until)

    @property
    def quiet_until(self) -> float:
        """Until when a key that was for us may sound."""
        return max(self._key_until, self.ours_until)

    @property
    def formats(self) -> tuple[int, int, str]:
        """The payload types of audio that comes and that goes, and its codec."""
        return self._in_pt, self._pt, self._codec

    def release(self, now: float) -> StreamStats:
        """Ends the session."""
        self.reporting.leave(self, now)
        found = self.reporting.found(self)
        if self._is_sending():
            self._keys = self._tones_out = None
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
        """Seconds since the peer was heard, or since it was allowed to speak or somebody else began to listen."""
        return now - max(self.last_at, self._waits_since)

    def await_audio(self, now: float) -> None:
        """Who listens from now on is to be told of a silence, though it has lasted for long and was told of before."""
        self._waits_since = now

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

    # --- receiving ---

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
        if not peer._latched:
            peer.transmit(VIEWS[size])
            return
        send = peer._send
        try:
            send(VIEWS[size])
        except OSError:
            peer.transmit_again(VIEWS[size])
            return
        peer.sent += 1
        peer.sent_octets += size

    def _latched_reader(self) -> Reader:
        usual = self._put is None and self._muffled is None and not self._hushed
        return self._read_latched if usual else self._read_elsewhere

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
                self.tones.feed(packet.seq, packet.ts, packet.ssrc, packet.payload)
                self.host.sounded(self, now)
                if self.tones.sounding and (self._listens or self._hushed):
                    self._hush(now)
                if self.tones.sounding and not self._listens and self._codec in SILENT:
                    # The key goes on in another form, and is not to be heard as well.
                    packet = replace(packet, payload=SILENT[self._codec] * len(packet.payload))
            if now >= self._key_until:
                if self._hushed:
                    self._end_hush()
                elif not self.tells_tones:
                    self.tones = None
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

    def _end_hush(self) -> None:
        """The last key that was for the switch is over: what comes is heard."""
        self._key_until = _NEVER
        self._decide()
        if not self.tells_tones:
            self.tones = None

    def _hush(self, now: float) -> None:
        """A key sounds, or has just done so, that is for nobody else; one of a secret may be followed by others."""
        rest = KEY_REST
        if now < self._secret_until:
            rest = SECRET_REST
            if self._secret_until != _ALWAYS:
                self._secret_until = now + rest
        self._key_until = max(self._key_until, now + rest)

    def _copy_anew(self) -> None:
        if self.tape is not None:
            self.host.hushed(self)

    def conceal(self, on: bool, now: float) -> None:
        """Secret keys are pressed from now on, or no more but for those that follow at once."""
        if on:
            self._secret_until = _ALWAYS
        elif self._secret_until == _ALWAYS:
            self._secret_until = now + SECRET_REST
            self._key_until = max(self._key_until, self._secret_until)

    def take_key(self, now: float) -> None:
        """A key came by signalling and was taken: its tone is not told of, nor heard by anybody."""
        if self.tones is None and self._codec in KNOWN:
            self.tones = tone_reader(self._codec, self._out.clock)
            self.tells_tones = False
        self._hush(now)
        if not self._listens:
            self._decide()

    def withholds(self, begun: float, now: float) -> bool:
        """Whether a key that began at `begun`, while keys are the other side's, is ours nevertheless."""
        if begun >= self._handed_at and begun >= self._secret_until:
            return False
        self._hush(now)
        self._decide()
        return True

    def _accept_key(self, packet: Packet, now: float) -> None:
        """Takes a telephone-event, or lets the other side have it."""
        told = (now, packet.seq, packet.ts, packet.ssrc, packet.marker, packet.payload)
        if self._listens:
            self._hush(now)
            digit = self._receiver.feed(*told)
            if digit is not None and self._receives:
                self.digits += 1
                self.host.pressed(self, digit, now, now)
            elif digit is None and self._receives and (held := self._receiver.held()) is not None:
                self.host.emit(KeyHeld(self.port.number, self.gen, held[0], now, held[1]))
            return
        # The rest of a key that was taken here, such as a secret's last one, is not the other side's.
        if self._receiver.goes_on(*told):
            if self._hushed:
                self._hush(now)
            return
        new = packet.ts != self._passed_ts
        if new and self.withholds(self._begun(packet, now), now):
            self._receiver.feed(*told)
            return
        self._passed_ts = packet.ts
        if self._hushed:
            self._end_hush()
        if not self._translates:
            self._relay(packet, now)
            if new and self._forward is not None:
                self._tell_passed(packet, now)
        elif (digit := self._receiver.feed(*told)) is not None and self._receives:
            self.pass_on(digit, now)

    def _tell_passed(self, packet: Packet, now: float) -> None:
        """A key has gone on as it came; timestamps that run on are no keys."""
        event = packet.payload[0] if packet.payload else len(KEYS)
        if now - self._passed_at >= RESTART and event < len(KEYS):
            self._passed_at = now
            self.host.emit(KeyPassed(self.port.number, self.gen, KEYS[event]))

    def _begun(self, packet: Packet, now: float) -> float:
        """When the key of a telephone-event was pressed, whose first packets may be lost."""
        return now - int.from_bytes(packet.payload[2:4], "big") / self._event_clock

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
            self.host.emit(KeyPassed(self.port.number, self.gen, digit))

    def accept_report(self, data: bytes, source: Address, now: float) -> None:
        """Takes what came from the peer's host to the port of the reports."""
        self._reported_at = now
        self.reporting.take(self, data, now, source)
