"""What is said to rtpengine about a call, and what is read from its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from media.control import USUAL, Wire
from media.description import build_offer
from media.events import StreamStats
from media.formats import OPUS, Codec
from media.interface import Stream
from media.rtp.quality import score
from media.rtpengine.bencode import Value
from media.rtpengine.transactions import Command
from media.sdp import SdpError, Session, parse_address, parse_sdp

DIGITS: Final = "0123456789*#ABCD"
FOREVER: Final = 1_000_000_000
"""How often music is repeated."""

# Without port-latching a party that comes to another address is given another port of ours, which nobody tells it.
_LEARNS: Final = ("trust-address", "port-latching", "strict-source")
_KNOWN: Final = (*_LEARNS, "asymmetric")
# What a party reports is not passed on: the CNAME in it may be the number that is hidden (RFC 3550 §6.5.1).
_REPORTS: Final = "generate-RTCP"

Family: TypeAlias = Literal["IP4", "IP6"]
"""As a c= line names them (RFC 8866 §5.7)."""


def family_of(address: str) -> Family:
    """Of an address, whether rtpengine's own, a party's or a worker's."""
    return "IP6" if ":" in address else "IP4"


class Party(Struct, frozen=True):
    """One who exchanges audio with a port of rtpengine: its address, and what it wants to receive there."""

    address: str
    port: int
    codec: str = "PCMA"
    audio_pt: int = 8
    event_pt: int | None = 101
    wire: Wire = USUAL
    rtcp_port: int = 0
    rtcp_mux: bool = False
    nat: bool = False
    """The port it sends from is learned from its packets; else nothing is taken but what comes from here."""


NOBODY: Final[Mapping[Family, Party]] = {"IP4": Party("127.0.0.1", 9), "IP6": Party("::1", 9)}
"""Who is described where a call is opened before anybody is there; the port is that of RFC 863."""


def party_of(stream: Stream) -> Party:
    """Who exchanges a stream; behind a NAT the party is where its signalling comes from."""
    return Party(
        stream.latch_ip,
        stream.remote_port,
        stream.codec,
        stream.audio_pt,
        stream.event_pt,
        stream.wire or USUAL,
        stream.rtcp_port,
        stream.rtcp_mux,
        nat=stream.latch_ip != stream.remote_ip,
    )


class Place(NamedTuple):
    """Where rtpengine receives, or a party is."""

    address: str
    port: int


NOWHERE: Final = Place("", 0)


def describe(party: Party) -> str:
    """A party's description, as if it had written it; its direction is not in it, which rtpengine does not heed."""
    wire = party.wire
    channels = OPUS.channels if party.codec == OPUS.name else 1
    codec = Codec(party.codec, party.audio_pt, wire.clock, channels, wire.fmtp)
    also: tuple[Codec, ...] = () if wire.noise_pt is None else (Codec("CN", wire.noise_pt),)
    usual = wire.event_clock == 8000
    if party.event_pt is not None and not usual:
        also = (Codec("telephone-event", party.event_pt, wire.event_clock), *also)
    text = build_offer(
        session_id=1,
        version=1,
        address=party.address,
        port=party.port,
        codecs=(codec,),
        event_pt=party.event_pt if usual else None,
        also=also,
        ptime=wire.ptime,
        maxptime=wire.maxptime,
    ).decode()
    if party.rtcp_mux:
        text += "a=rtcp-mux\r\n"
    return text + (f"a=rtcp:{party.rtcp_port}\r\n" if party.rtcp_port else "")


def about(command: str, call: str, tag: str = "") -> Command:
    """A command that concerns a call, or one party of it."""
    found: Command = {"command": command, "call-id": call}
    if tag:
        found["from-tag"] = tag
    return found


def offer(
    call: str,
    tag: str,
    to: str,
    party: Party,
    *,
    family: Family = "IP4",
    injects: bool = False,
    reports: bool = False,
) -> Command:
    """Who the party of `tag` is, and that its audio goes to that of `to`; the answer describes the port for `to`, which
    is of `family`. With `reports` rtpengine reports in its own name, else what the party reports is passed on."""
    found = _agree("offer", call, tag, party, family)
    found["flags"] = [*_flags(party), *(("inject-DTMF",) if injects else ()), *((_REPORTS,) if reports else ())]
    return {**found, **({"to-tag": to} if to else {})}


def answer(call: str, tag: str, to: str, party: Party, *, family: Family = "IP4") -> Command:
    """Who the party of `to` is; the answer describes the port for that of `tag`, which is of `family`."""
    return {**_agree("answer", call, tag, party, family), "to-tag": to}


def _flags(party: Party) -> list[Value]:
    return list(_LEARNS if party.nat else _KNOWN)


def _agree(command: str, call: str, tag: str, party: Party, family: Family) -> Command:
    return {
        **about(command, call, tag),
        "sdp": describe(party),
        "address family": family,
        "ICE": "remove",
        "rtcp-mux": ["accept" if party.rtcp_mux else "demux"],
        "flags": _flags(party),
    }


def place_in(reply: Mapping[str, Value] | None) -> Place | None:
    """The port that an answer describes; None for a refusal."""
    if reply is None or reply.get("result") != "ok":
        return None
    try:
        return _audio(parse_sdp(str(reply.get("sdp", "")).encode()))
    except SdpError:
        return None


def _audio(description: Session) -> Place | None:
    for media in description.media:
        connection = description.connection_of(media)
        if media.kind == "audio" and media.port and connection is not None:
            return Place(parse_address(connection), media.port)
    return None


class Counted(NamedTuple):
    """What came from one party, in packets."""

    packets: int = 0
    octets: int = 0
    reports: int = 0
    refused: int = 0
    """Those that came from elsewhere."""
    source: Place = NOWHERE
    """Where the party is as rtpengine has been told, or has learned."""


NOTHING: Final = Counted()


def counted(reply: Mapping[str, Value], tag: str) -> Counted:
    """What the answer to `query` or `delete` says of a party; zeros where it says nothing."""
    found = NOTHING
    for stream in _listed(_listed(reply.get("tags"), tag, "medias"), 0, "streams"):
        stats = stream.get("stats") if isinstance(stream, dict) else None
        if not isinstance(stream, dict) or not isinstance(stats, dict):
            continue
        flags, place = stream.get("flags"), stream.get("endpoint")
        # What it refuses it counts as well.
        packets, octets, refused = (_number(stats.get(name)) for name in ("packets", "bytes", "errors"))
        if isinstance(flags, list) and "RTP" in flags:
            found = Counted(packets - refused, octets, found.reports, refused, _endpoint(place))
        else:
            found = found._replace(reports=packets)
    return found


def stream_stats(reply: Mapping[str, Value], tag: str, other: str, codec: str) -> StreamStats:
    """The counters of a leg. What was sent to it is not counted by rtpengine: it is what the other party said."""
    came, went = counted(reply, tag), counted(reply, other)
    lost = jitter = trip = opinion = None
    if (told := _reported(reply, other)) is not None:
        lost, trip = _number(told.get("cumulative loss")), _number(told.get("round-trip time leg")) / 1000.0
        jitter = float(_number(told.get("jitter")))
        opinion = score(codec, _number(told.get("packet loss")) / 100.0, trip)
    return StreamStats(
        received=came.packets,
        received_octets=came.octets,
        sent=went.packets,
        sent_octets=went.octets,
        rtcp=came.reports,
        rtcp_sent=went.reports,
        round_trip_ms=trip,
        peer_lost=lost,
        peer_jitter_ms=jitter,
        mos_out=opinion,
    )


def _endpoint(value: Value | None) -> Place:
    return Place(str(value.get("address", "")), _number(value.get("port"))) if isinstance(value, dict) else NOWHERE


def _reported(reply: Mapping[str, Value], speaker: str) -> dict[str, Value] | None:
    """What was reported, on average, of the stream of a party by who heard it: loss in percent, jitter in ms, the round
    trip in microseconds. None where rtpengine tells nothing: it does where both parties report.
    """
    streams = reply.get("SSRC")
    for stream in _listed(_listed(reply.get("tags"), speaker, "medias"), 0, "streams"):
        if isinstance(stream, dict) and isinstance(streams, dict):
            told = streams.get(str(stream.get("SSRC")))
            mean = told.get("average MOS") if isinstance(told, dict) else None
            if isinstance(told, dict) and isinstance(mean, dict):
                return {**told, **mean}
    return None


def _listed(value: Value | None, at: str | int, name: str) -> list[Value]:
    """The list `name` of the dictionary that is found in `value` under `at`; empty where there is none."""
    inner: Value | None = None
    if isinstance(value, dict) and isinstance(at, str):
        inner = value.get(at)
    elif isinstance(value, list) and isinstance(at, int) and at < len(value):
        inner = value[at]
    found = inner.get(name) if isinstance(inner, dict) else None
    return found if isinstance(found, list) else []


def _number(value: Value | None) -> int:
    return value if isinstance(value, int) else 0


class Key(NamedTuple):
    """A key that a party has pressed and let go: `held` seconds later, 0 where that is not said."""

    call: str
    tag: str
    digit: str
    held: float


def read_key(datagram: bytes) -> Key | None:
    """What rtpengine logs of a telephone-event, once it is over; None for anything else."""
    try:
        found = json.loads(datagram)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("type") != "DTMF":
        return None
    call, tag, event = found.get("callid"), found.get("source_tag"), found.get("event")
    if not (isinstance(call, str) and isinstance(tag, str) and isinstance(event, int) and 0 <= event < len(DIGITS)):
        return None
    duration = found.get("duration")
    return Key(call, tag, DIGITS[event], duration / 1000 if isinstance(duration, int) and duration > 0 else 0.0)
