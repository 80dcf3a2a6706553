"""Callers and agents whose packets come evenly spaced, in a process of their own: the load of `bench.even`.

All callers are at one pair of ports and all agents at another, and each stream's packets carry who sent them. The phase
of a call is its place in the 20 ms, so that the switch gets a few packets every millisecond and never a burst.

    python -m bench.even_phones HOST:PORT NUMBER CALLS RATE SECONDS

prints a line of JSON for each thing that happens: {"talking": ...}, {"silent": ...}, and the figures in the end.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from bench.errors import BenchError
from bench.even_packets import Address, Ear, Slot, judge
from bench.load import AGENT_PORT, CALLER_PORT
from bench.target import parse_address
from bench.wire import Message, WireError, angle_uri, new_branch, parse, read_sdp, reply, uri_address

HOST: Final = "127.0.0.1"
AGENT_AUDIO: Final = 30000
CALLER_AUDIO: Final = 31000
SLOTS: Final = 20
"""Places in 20 ms: a millisecond apart."""
_TICK: Final = 0.02 / SLOTS
_AGAIN: Final = 0.5
_PATIENCE: Final = 15.0
"""Seconds until a phone without an answer gives up."""
_SDP: Final = (
    "v=0\r\no=- 53655765 2353687637 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)


@dataclass(slots=True)
class _Sent:
    """A request without a final answer."""

    data: bytes
    again_at: float


@dataclass(slots=True)
class _Call:
    """What a caller knows of its call."""

    invite: Message
    media: Address | None = None
    target: str = ""
    to: str = ""
    ended: bool = False


@dataclass(slots=True)
class Phones:
    """Both ends of all calls: a SIP socket and two for audio on each side."""

    target: Address
    number: str
    calls: list[_Call] = field(default_factory=list)
    agents: dict[str, Address] = field(default_factory=dict)
    """Where each agent sends its audio, by Call-ID, in the order of their INVITEs."""
    faults: list[str] = field(default_factory=list)
    _open: dict[tuple[str, str], _Sent] = field(default_factory=dict)
    _sockets: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the sockets."""
        ports = (CALLER_PORT, AGENT_PORT, CALLER_AUDIO, AGENT_AUDIO, CALLER_AUDIO + 1, AGENT_AUDIO + 1)
        for port in ports:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                sock.bind((HOST, port))
            except OSError as error:
                raise BenchError(f"UDP port {port} is taken; it belongs to the load") from error
            self._sockets.append(sock)
        for sock in self._sockets[:2]:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def close(self) -> None:
        """Close the sockets."""
        for sock in self._sockets:
            sock.close()

    @property
    def caller_audio(self) -> socket.socket:
        """Where all callers speak and hear."""
        return self._sockets[2]

    @property
    def agent_audio(self) -> socket.socket:
        """Where all agents do."""
        return self._sockets[3]

    def dial(self, total: int, rate: float) -> None:
        """Make all calls, so many a second, and wait until they are up; raises BenchError."""
        begin = time.monotonic()
        while not self._all_up(total):
            now = time.monotonic()
            if now > begin + total / rate + _PATIENCE or self.faults:
                up = sum(call.media is not None for call in self.calls)
                raise BenchError(f"{up} of {total} calls are up: " + "; ".join(self.faults[:3]))
            while len(self.calls) < total and now >= begin + len(self.calls) / rate:
                self._invite(len(self.calls))
            self._serve(0.002)

    def _all_up(self, total: int) -> bool:
        return len(self.agents) >= total and sum(call.media is not None for call in self.calls) >= total

    def hang_up(self, rate: float) -> None:
        """End all calls from their callers' side; what does not end is a fault."""
        begin, done = time.monotonic(), 0
        while not all(call.ended for call in self.calls):
            now = time.monotonic()
            if now > begin + len(self.calls) / rate + _PATIENCE:
                self.faults.append(f"{sum(not call.ended for call in self.calls)} calls did not end")
                return
            while done < len(self.calls) and now >= begin + done / rate:
                call = self.calls[done]
                self._request(call, "BYE", 2)
                done += 1
            self._serve(0.002)

    def _invite(self, place: int) -> None:
        message = Message(f"INVITE sip:{self.number}@{self.target[0]}:{self.target[1]} SIP/2.0")
        message.add("Via", f"SIP/2.0/UDP {HOST}:{CALLER_PORT};branch={new_branch()};rport")
        message.add("Max-Forwards", "70")
        message.add("From", f"<sip:138001{place:05}@{HOST}:{CALLER_PORT}>;tag=even{place}")
        message.add("To", f"<sip:{self.number}@{self.target[0]}>")
        message.add("Call-ID", f"even-{place}@{HOST}")
        message.add("CSeq", "1 INVITE")
        message.add("Contact", f"<sip:even@{HOST}:{CALLER_PORT}>")
        message.add("Content-Type", "application/sdp")
        message.body = _SDP.format(host=HOST, port=CALLER_AUDIO).encode()
        self.calls.append(_Call(message))
        self._send(message, self.target)

    def _request(self, call: _Call, method: str, number: int) -> None:
        message = Message(f"{method} {call.target} SIP/2.0")
        message.add("Via", f"SIP/2.0/UDP {HOST}:{CALLER_PORT};branch={new_branch()};rport")
        message.add("Max-Forwards", "70")
        message.add("From", call.invite.get("from"))
        message.add("To", call.to)
        message.add("Call-ID", call.invite.call_id)
        message.add("CSeq", f"{number} {method}")
        self._send(message, uri_address(call.target, self.target))

    def _send(self, message: Message, to: Address) -> None:
        data = message.render()
        if message.method != "ACK":
            self._open[message.call_id, message.method] = _Sent(data, time.monotonic() + _AGAIN)
        self._sockets[0].sendto(data, to)

    def _serve(self, seconds: float) -> None:
        """Answer what has come to the two SIP sockets; send again what has had no answer."""
        ready, _, _ = select.select(self._sockets[:2], [], [], seconds)
        for sock in ready:
            data, source = sock.recvfrom(65535)
            try:
                message = parse(data)
            except WireError:
                continue
            if sock is self._sockets[0]:
                self._answered(message)
            else:
                self._called(message, source)
        now = time.monotonic()
        for sent in [one for one in self._open.values() if one.again_at < now]:
            sent.again_at = now + 2 * _AGAIN
            self._sockets[0].sendto(sent.data, self.target)

    def _answered(self, message: Message) -> None:
        """An answer to a caller."""
        if message.is_request:
            self._sockets[0].sendto(reply(message, 200, "OK").render(), self.target)
            return
        method = message.method
        self._open.pop((message.call_id, method), None)
        if message.status < 200:
            return
        call = self.calls[int(message.call_id.removeprefix("even-").partition("@")[0])]
        if message.status >= 300:
            self.faults.append(f"{method}: {message.status} {message.reason}")
        elif method == "INVITE":
            call.to, call.target = message.get("to"), angle_uri(message.get("contact"))
            audio = read_sdp(message.body)
            call.media = (audio.address, audio.port)
            self._request(call, "ACK", 1)
        else:
            call.ended = True

    def _called(self, message: Message, source: Address) -> None:
        """A request to an agent."""
        if not message.is_request or message.method == "ACK":
            return
        answer = reply(message, 200, "OK", f"agent{len(self.agents)}")
        if message.method == "INVITE":
            audio = read_sdp(message.body)
            self.agents[message.call_id] = (audio.address, audio.port)
            answer.add("Contact", f"<sip:agent@{HOST}:{AGENT_PORT}>")
            answer.add("Content-Type", "application/sdp")
            answer.body = _SDP.format(host=HOST, port=AGENT_AUDIO).encode()
        self._sockets[1].sendto(answer.render(), source)

    def slots(self) -> list[list[Slot]]:
        """What is sent in each place of the 20 ms: callers there, agents half a round later."""
        total, places = len(self.calls), [list[Slot]() for _ in range(SLOTS)]
        callers = [call.media for call in self.calls if call.media]
        agents = list(self.agents.values())
        for sock, to, first, shift in (
            (self.caller_audio, callers, 0, 0),
            (self.agent_audio, agents, total, SLOTS // 2),
        ):
            for place in range(SLOTS):
                mine = range(place, total, SLOTS)
                if mine:
                    slot = Slot(sock, [first + n for n in mine], [to[n] for n in mine])
                    places[(place + shift) % SLOTS].append(slot)
        return places


@dataclass(slots=True)
class Talk:
    """All parties speaking for a while."""

    slots: list[list[Slot]]
    ears: tuple[Ear, Ear]
    late: list[float] = field(default_factory=list)
    """Seconds that each place was served too late."""

    def run(self, seconds: float) -> None:
        """Send and hear; what is late is sent as soon as may be, never left out."""
        begin, steps = time.monotonic(), round(seconds / _TICK)
        for step in range(steps):
            spare = begin + step * _TICK - time.monotonic()
            if spare > 0:
                time.sleep(spare)
            self.late.append(max(0.0, time.monotonic() - begin - step * _TICK))
            for slot in self.slots[step % SLOTS]:
                slot.send()
            self.ears[step & 1].listen()
        for _ in range(50):
            time.sleep(0.01)
            for ear in self.ears:
                ear.listen()


def run(target: Address, number: str, total: int, rate: float, seconds: float, say: Callable[[Any], None]) -> None:
    """Dial, talk, hang up; tell how it went."""
    phones = Phones(target, number)
    try:
        phones.dial(total, rate)
        slots, ears = phones.slots(), (Ear(phones.caller_audio), Ear(phones.agent_audio))
        talk = Talk(slots, ears)
        say({"talking": time.time()})
        used = time.process_time()
        talk.run(seconds)
        used = time.process_time() - used
        say({"silent": time.time() - 0.5})
        sent = sum(slot.sent * slot.streams for place in slots for slot in place)
        phones.hang_up(rate)
    finally:
        phones.close()
    judged = judge([ear.heard() for ear in ears], 2 * total, sent)

    def share(values: Any, percent: float) -> float | None:
        return float(np.percentile(values, percent, method="inverted_cdf")) if len(values) else None

    say(
        {
            "calls": total,
            "failed": len(phones.faults),
            "faults": phones.faults[:5],
            "sent": judged.sent,
            "lost": judged.lost,
            "doubled": judged.doubled,
            "silent_streams": judged.silent,
            "delay_p50_ms": share(judged.delays, 50),
            "delay_p99_ms": share(judged.delays, 99),
            "jitter_p50_ms": share(judged.jitter, 50),
            "jitter_p99_ms": share(judged.jitter, 99),
            "jitter_max_ms": share(judged.jitter, 100),
            "load_cpu_percent": used / seconds * 100,
            "late_p99_ms": (share(np.array(talk.late), 99) or 0.0) * 1000,
            "late_max_ms": max(talk.late, default=0.0) * 1000,
        }
    )


def main(arguments: list[str]) -> int:
    """Run as a process of its own."""

    def say(what: Any) -> None:
        print(json.dumps(what), flush=True)

    target, number, total, rate, seconds = arguments
    try:
        run(parse_address(target), number, int(total), float(rate), float(seconds), say)
    except (BenchError, WireError, OSError) as error:
        say({"error": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
