"""SIPp as a carrier that keys digits and plays audio from its own captures."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.capture import Capture, Packet, Ports
from bench.rtp import RtpPort
from bench.sipp import Sipp, Totals
from media.prompts import load_wav
from tests.support.patience import PATIENCE
from tests.support.ports import SIPP_FIRST, SIPP_LAST, free_media_port, free_port
from tests.support.sounds import tone, write_capture
from tests.support.switch import PROJECT

CAPTURES = Path("/usr/share/sip-tester")
SPEECH = CAPTURES / "g711a.pcap"
"""Seven seconds of somebody who speaks, after half a second of silence."""
PROMPTS = PROJECT / "ivr_flows" / "prompts"
CARRIER = Path(__file__).parents[1] / "e2e" / "scenarios" / "carrier.xml"
TAKES = 4
"""SIPp binds RTP and RTCP ports for audio and video, the call wants one of them or not."""
EVENT_TYPE = 101
KEY, COMMA = 0.26, 1.0
"""Seconds from one key to the next, and what a comma adds."""
LATE = 0.2
"""What SIPp's thread may need longer for its last packets than it should."""
_PLAIN = "8\n      a=rtpmap:8 PCMA/8000"
_WITH_EVENTS = f"""8 {EVENT_TYPE}
      a=rtpmap:8 PCMA/8000
      a=rtpmap:{EVENT_TYPE} telephone-event/8000
      a=fmtp:{EVENT_TYPE} 0-11,16"""


_INFO = """
  <send retrans="500">
    <![CDATA[
      INFO [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      [routes]
      Max-Forwards: 70
      From: "sipp" <sip:%(caller)s@[local_ip]:[local_port]>;tag=[pid]sipp[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      CSeq: %(number)d INFO
      Content-Type: application/dtmf-relay
      Content-Length: [len]

      Signal=%(key)s
      Duration=100
    ]]>
  </send>
  <recv response="200"/>"""


def need_sipp() -> None:
    """Skip the test, aloud, where SIPp or what it needs is missing."""
    if shutil.which("sipp") is None:
        pytest.skip("SIPp is not installed: apt-get install sip-tester")
    if not SPEECH.exists():
        pytest.skip(f"the captures of Debian's SIPp are not in {CAPTURES}: apt-get install sip-tester")
    if os.geteuid() != 0:
        pytest.skip("SIPp replays captures by a raw socket: run the tests as root")


def next_media_port() -> int:
    """A media port that nobody has, and its neighbours that SIPp takes as well."""
    return free_media_port(TAKES)


class Informed(NamedTuple):
    """Audio with keys in it: a capture, its seconds, and its keys by the second at which they are told by INFO."""

    audio: Path
    seconds: float
    keys: Mapping[float, str]


@dataclass(frozen=True, slots=True)
class Caller:
    """One call by SIPp: who calls, what is keyed, how long it talks unless the far side hangs up."""

    number: str
    digits: str
    talk_ms: int = 2500
    prompt_ms: int = 600
    audio: Path | None = SPEECH
    """A capture of what it says after the keys; None for a caller who keeps silent."""
    then: str = ""
    """Keyed after the audio has begun, which ends with the first of them."""
    events: bool = True
    """Whether telephone-event is offered; without it keys are in the audio or nowhere."""
    informs: Sequence[Informed] = ()
    """What is said then, with keys that are told by INFO as well."""
    port: int = field(default_factory=free_port)
    media_port: int = field(default_factory=next_media_port)

    def scenario(self, directory: Path) -> str:
        """Its scenario as XML; captures of what it keys are beside it."""
        words = {
            "caller": self.number,
            "prompt": str(self.prompt_ms),
            "talk": str(self.talk_ms),
            "formats": _WITH_EVENTS if self.events else _PLAIN,
            "audio": _play(self.audio) if self.audio else "",
            "keys": _keying(self.digits, directory / f"keys-{self.port}.pcap", 1),
            "then": _keying(self.then, directory / f"then-{self.port}.pcap", 2) + _informing(self),
        }
        text = CARRIER.read_text()
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        # Nothing is to be sent twice because others are at work on the machine.
        return text.replace('retrans="500"', f'retrans="{500 * PATIENCE:.0f}"')


def _keying(digits: str, capture: Path, stream: int) -> str:
    """Digits as one capture, which is played in the background, and a pause as long; a comma is a second without keys.

    One capture for each digit would be cut off by the next one's wherever SIPp's thread for it comes late.
    """
    first = len(digits) - len(digits.lstrip(","))
    keys, at = {}, 0.0
    for digit in digits[first:]:
        if digit != ",":
            keys[at] = digit
        at += COMMA if digit == "," else KEY
    steps = [_pause(first * COMMA)] if first else []
    if keys:
        steps += [_play(write_capture(capture, tone(0), keys, stream)), _pause(at + LATE)]
    return "\n  ".join(steps)


def _informing(caller: Caller) -> str:
    """Each key as a request of its own, and the pauses between them.

    Requests whose answers come late fall behind their audio, but no further than to its end.
    """
    steps, number = [], 1
    for part in caller.informs:
        steps.append(_play(part.audio))
        at = 0.0
        for second, key in sorted(part.keys.items()):
            number += 1
            steps += [_pause(second - at), _INFO % {"caller": caller.number, "number": number, "key": key}]
            at = second
        steps.append(_pause(part.seconds - at))
    return "\n".join(steps)


def _pause(seconds: float) -> str:
    return f'<pause milliseconds="{round(seconds * 1000)}"/>'


def _play(capture: Path) -> str:
    return f'<nop><action><exec play_pcap_audio="{capture}"/></action></nop>'


async def place(caller: Caller, target: tuple[str, int], directory: Path, dialled: str, within: float = 25.0) -> Totals:
    """Make the one call, and return what SIPp counted of it."""
    scenario = directory / f"carrier-{caller.port}.xml"
    scenario.write_text(caller.scenario(directory))
    sipp = Sipp(
        scenario,
        directory,
        caller.port,
        caller.media_port,
        f"{target[0]}:{target[1]}",
        ("-s", dialled, "-m", "1", "-l", "1", "-r", "1"),
    )
    with sipp:
        try:
            await asyncio.to_thread(sipp.wait, within, lambda row: None)
        except asyncio.CancelledError:
            # Another scenario has failed: to end this call gently would keep all the others waiting.
            assert sipp.process is not None
            sipp.process.kill()
            raise
    return sipp.totals()


async def carry(caller: Caller, target: tuple[str, int], directory: Path, dialled: str, within: float = 40.0) -> None:
    """Make the one call, in which nothing may go wrong for SIPp."""
    totals = await place(caller, target, directory, dialled, within)
    assert (totals.successful, totals.failed, totals.unexpected) == (1, 0, 0), totals


class Heard:
    """What passed between the switch and the media ports of SIPp, from the wire."""

    def __init__(self, packets: Iterable[Packet]) -> None:
        self.packets = [packet for packet in packets if len(packet.payload) >= 12]

    def by(self, caller: Caller) -> RtpPort:
        """What a caller was sent, as if heard by the bench's own phone."""
        heard = RtpPort()
        for packet in self.packets:
            if packet.destination[1] == caller.media_port:
                heard.datagram_received(packet.payload, packet.source)
        return heard

    def prompts(self, caller: Caller, language: str = "zh") -> list[str]:
        """The packaged prompts of a language that a caller heard beyond their middle, each once, in order.

        A prompt's frames go out as they are in its file.
        """
        payloads = b"".join(p.payload[12:] for p in self.packets if p.destination[1] == caller.media_port)
        found = []
        for file in sorted((PROMPTS / language).glob("*.wav")):
            frames = load_wav(file).frames["PCMA"]
            stretches = [b"".join(frames[at : at + 5]) for at in range(len(frames) // 2, len(frames) * 3 // 4)]
            # The liveliest one: a pause between two words may be in any prompt.
            at = payloads.find(max(stretches, key=lambda stretch: len(set(stretch))))
            if at >= 0:
                found.append((at, file.stem))
        return [name for _, name in sorted(found)]

    def before_the_keys(self, caller: Caller) -> int:
        """How many packets a caller was sent before it keyed its first digit."""
        keyed = [p.at for p in self.packets if p.source[1] == caller.media_port and p.payload[1] & 127 == EVENT_TYPE]
        return sum(p.at < keyed[0] for p in self.packets if p.destination[1] == caller.media_port)


@contextlib.contextmanager
def listening() -> Iterator[list[Heard]]:
    """Capture the media ports of SIPp; what was heard is in the list when the context has ended."""
    found: list[Heard] = []
    with Capture([Ports(SIPP_FIRST, SIPP_LAST)]) as capture:
        yield found
    found.append(Heard(capture.packets()))
