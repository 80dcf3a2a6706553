"""What goes out to a peer from here: prompts, keys, the mix of a room, as one stream with what is relayed."""

from __future__ import annotations

from media.codecs import KNOWN, Encoder, encoder
from media.control import KeyForm
from media.events import PlayDone
from media.prompts import Prompt
from media.rtp.dtmf import DigitSender
from media.rtp.outgoing import FRAME, Outgoing
from media.rtp.packet import HEADER, MARKER, PLAIN
from media.rtp.parcels import Parcel, parcel_for
from media.rtp.tone_keys import ToneSender
from media.worker.late import LateSenders
from media.worker.line import Host, Line
from media.worker.player import Playback
from media.worker.ports import Port

_pack = HEADER.pack


class Speaker(Line):
    """A line with something to say; keys go before prompts, and both before a mix."""

    __slots__ = ("_codec", "_event_clock", "_event_pt", "_fmtp", "_form", "_keys", "_keys_ts", "_mixed_last", "_mouth",
                 "_mouth_for", "_out", "_out_mark", "_parcel", "_playback", "_pt", "_ticks", "_tones_out",
                 "_transmits", "gen", "mixed", "played")  # fmt: skip

    def __init__(self, port: Port, gen: int, host: Host, now: float, late: LateSenders) -> None:
        super().__init__(port, host, now, late)
        self.gen = gen
        # What Open says.
        self._pt = -1
        self._codec = ""
        self._event_pt: int | None = None
        self._event_clock = 8000
        self._form: KeyForm = "auto"
        self._fmtp = ""
        self._transmits = False
        # What is being said.
        self._out = Outgoing(host.random(32), host.random(15), host.random(32))
        self._out_mark = 0
        self._playback: Playback | None = None
        self._keys: DigitSender | None = None
        self._tones_out: ToneSender | None = None
        self._keys_ts = -1
        # How it is packed: timestamp units of 20 ms; what collects frames for longer or shorter packets; what encodes
        # samples of which rate.
        self._ticks = FRAME
        self._parcel: Parcel | None = None
        self._mouth: Encoder | None = None
        self._mouth_for = ("", 0)
        self._mixed_last = False
        self.played = self.mixed = 0

    # --- to be done by the session ---

    def _settle(self) -> None:
        """Notes where what was relayed to here has left off."""
        raise NotImplementedError

    def _relink(self) -> None:
        """Decides anew what is relayed to here: `_is_sending` has changed."""
        raise NotImplementedError

    def _pack_for(self, clock: int, fmtp: str, ptime: int, maxptime: int) -> None:
        """How the peer wants what is said to it."""
        if clock != self._out.clock:
            # Timestamps of another clock are another stream's (RFC 3550 §5.2), whoever's packets go on in it.
            self._settle()
            random, before = self.host.random, self._out
            self._out = Outgoing(random(32), random(15), random(32))
            self._out.clock = clock
            self._out.at, self._out.started = before.at, before.started
            self._ticks = clock // 50
            # The rest of a key would be another key there.
            self._keys_ts = -1
        if fmtp != self._fmtp:
            self._fmtp, self._mouth = fmtp, None
        self._parcel = parcel_for(self._codec, ptime, maxptime)

    # --- commands ---

    def play(self, play_id: int, prompts: list[Prompt], loop: bool, now: float) -> None:
        """Plays prompts to the peer, in place of whatever plays."""
        self._end_playback("stopped")
        self._playback = Playback(play_id, prompts, loop, self._codec)
        self._take_over(now)

    def stop_play(self) -> None:
        """Stops what plays."""
        self._end_playback("stopped")
        if self._keys is None and self._tones_out is None:
            self.host.cadence.remove(self)

    def send_digits(self, digits: str, now: float) -> None:
        """Sends keys, after those still to be sent, in the form the peer understands: as events, else as tones.

        Raises ValueError for other characters.
        """
        if self._keys is not None:
            self._keys.append(digits)
        elif self._tones_out is not None:
            self._tones_out.append(digits)
        elif self._event_pt is not None and self._form != "inband":
            self._keys = DigitSender(digits, self._event_clock)
            self._take_over(now)
        elif self._codec in KNOWN:
            self._tones_out = ToneSender(digits)
            self._take_over(now)

    # --- sending ---

    def _is_sending(self) -> bool:
        return self._playback is not None or self._keys is not None or self._tones_out is not None

    def _take_over(self, now: float) -> None:
        """Sends on its own from the next tick on, continuing the stream; what is relayed to here waits."""
        if self not in self.host.cadence:
            self._continue(now)
            self.host.cadence.add(self, now)
        self._relink()

    def _continue(self, now: float) -> None:
        """Lets the next packet be the first of another source in the same stream."""
        self._settle()
        seq, ts = self._out.resume(now)
        self._out.seq = seq - 1
        self._out.ts = ts - self._ticks
        self._out_mark = MARKER
        self._mixed_last = False
        # The peer's decoder has heard another encoder meanwhile; a new one does not build on what went before.
        self._mouth = None

    def _end_playback(self, reason: str) -> None:
        playback = self._playback
        if playback is not None:
            self._playback = None
            self.host.emit(PlayDone(self.port.number, self.gen, playback.play_id, reason))
            self._relink()

    def step(self, now: float) -> bool:
        """Sends the next 20 ms; False when nothing is left to be sent."""
        out = self._out
        out.at = now
        out.ts = ts = (out.ts + self._ticks) & 0xFFFFFFFF
        playback = self._playback
        if self._keys is not None:
            self._step_keys(self._keys)
        elif self._tones_out is not None:
            self._step_tones(self._tones_out)
        elif playback is not None:
            frame = playback.next(self._codec)
            if frame is None:
                if self._parcel is not None and self._transmits:
                    self._send_packets(self._parcel.rest())
                self._end_playback("done")
            elif self._parcel is not None:
                if self._transmits:
                    self._send_packets(self._parcel.add(frame, ts))
                    self.played += 1
            elif self._transmits:
                out.started = True
                out.seq = seq = (out.seq + 1) & 0xFFFF
                self.transmit(_pack(PLAIN, self._pt | self._out_mark, seq, ts, out.ssrc) + frame)
                self._out_mark = 0
                self.played += 1
                return True
        return self._is_sending()

    def _step_keys(self, keys: DigitSender) -> None:
        out = self._out
        packet = keys.step()
        if keys.done:
            self._keys = None
            self._relink()
        if packet is None:
            return
        distance, payload = packet
        if distance == 0:
            self._keys_ts = out.ts
        if self._event_pt is None or self._keys_ts < 0 or not self._transmits:
            return
        out.started = True
        out.seq = (out.seq + 1) & 0xFFFF
        mark = MARKER if distance == 0 else 0
        self.transmit(_pack(PLAIN, self._event_pt | mark, out.seq, self._keys_ts, out.ssrc) + payload)
        self.played += 1

    def _step_tones(self, tones: ToneSender) -> None:
        frame = self._encoded(tones.step(), 8000)
        if tones.done:
            self._tones_out = self._mouth = None
            self._relink()
        if self._transmits:
            self._send_frame(frame)
            self.played += 1

    def _encoded(self, samples: bytes, rate: int) -> bytes:
        if self._mouth is None or self._mouth_for != (self._codec, rate):
            self._mouth, self._mouth_for = encoder(self._codec, rate, self._fmtp), (self._codec, rate)
        return self._mouth.encode(samples)

    def _send_frame(self, frame: bytes) -> None:
        """Sends 20 ms of the timestamp that it is."""
        if self._parcel is not None:
            self._send_packets(self._parcel.add(frame, self._out.ts))
            return
        out = self._out
        out.started = True
        out.seq = seq = (out.seq + 1) & 0xFFFF
        self.transmit(_pack(PLAIN, self._pt | self._out_mark, seq, out.ts, out.ssrc) + frame)
        self._out_mark = 0

    def _send_packets(self, packets: list[tuple[int, bytes]]) -> None:
        """Sends payloads that are no single frames, each at its timestamp."""
        out = self._out
        for ts, payload in packets:
            out.started = True
            out.seq = (out.seq + 1) & 0xFFFF
            self.transmit(_pack(PLAIN, self._pt | self._out_mark, out.seq, ts, out.ssrc) + payload)
            self._out_mark = 0

    def say_samples(self, samples: bytes, rate: int, now: float) -> None:
        """Sends 20 ms of samples, unless something else is being said."""
        if self._has_floor(now):
            self._say(self._encoded(samples, rate), now)

    def say(self, frame: bytes, now: float) -> None:
        """Sends 20 ms of a mix, unless something else is being said."""
        if self._has_floor(now):
            self._say(frame, now)

    def _has_floor(self, now: float) -> bool:
        """Whether a mix is heard now; it goes on in the stream of whatever was heard before."""
        if self._is_sending() or not self._transmits:
            self._mixed_last = False
            return False
        if not self._mixed_last:
            self._continue(now)
            self._mixed_last = True
        return True

    def _say(self, frame: bytes, now: float) -> None:
        out = self._out
        out.at = now
        out.ts = (out.ts + self._ticks) & 0xFFFFFFFF
        self._send_frame(frame)
        self.mixed += 1
