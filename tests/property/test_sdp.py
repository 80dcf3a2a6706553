"""Properties of descriptions that no example can show."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from media.description import build_answer, build_offer
from media.formats import OURS, PCMU, Codec, same_codec
from media.ice_dtls import Candidate, Fingerprint, OwnTransport, Setup
from media.offer_answer import agree_as_answerer, agree_as_offerer, answer_direction, event_format
from media.plane import Lease
from media.remote import read_remote
from media.sdp import DIRECTIONS, Direction, Media, Origin, SdpError, Session, parse_sdp
from media.web_offer_answer import build_web_answer, build_web_offer
from switchboard.calls.cdr import leg_record
from switchboard.calls.leg import Leg
from switchboard.calls.negotiation import can_speak, make_answer, make_offer, read_offer, take_answer
from tests.support.exchange import World

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-.", min_size=1, max_size=12)
# Any text a line can hold: no line ends, and no white space at its end, which is not kept.
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20).map(str.rstrip)
PORT = st.integers(0, 65535)
DIRECTION: st.SearchStrategy[Direction] = st.sampled_from(list(DIRECTIONS.values()))
ADDRESS = st.one_of(
    st.integers(0, (224 << 24) - 1).map(lambda number: str(IPv4Address(number))),
    # 2001::/16: neither a group nor an IPv4 address in disguise.
    st.integers(0x2001 << 112, (0x2002 << 112) - 1).map(lambda number: str(IPv6Address(number))),
)


def other_lines(letters: str) -> st.SearchStrategy[list[str]]:
    """Return lines of these types, in the order of the types."""
    lines = st.lists(st.tuples(st.sampled_from(letters), TEXT).map("=".join), max_size=4)
    return lines.map(lambda found: sorted(found, key=lambda line: letters.index(line[0])))


MEDIA = st.builds(
    Media,
    TOKEN,
    PORT,
    TOKEN,
    st.lists(TOKEN, min_size=1, max_size=5),
    port_count=st.integers(0, 65535),
    connection=st.none() | TEXT,
    attributes=st.lists(TEXT, max_size=4),
    lines=other_lines("ibkx"),
)
SESSION = st.builds(
    Session,
    origin=st.none() | st.builds(Origin, TOKEN, TOKEN, TOKEN, TOKEN, TOKEN, TOKEN),
    name=TEXT.filter(bool),
    connection=st.none() | TEXT,
    times=st.lists(TEXT, min_size=1, max_size=3),
    attributes=st.lists(TEXT, max_size=4),
    lines=other_lines("iuepbzkx"),
    media=st.lists(MEDIA, max_size=4),
)


@given(SESSION)
def test_what_is_written_is_read_back(session: Session) -> None:
    """parse(render(x)) == x for every description."""
    assert parse_sdp(session.render()) == session


@given(st.binary(max_size=400))
def test_no_input_breaks_the_reader(data: bytes) -> None:
    """Arbitrary octets are read or refused with an SdpError, never anything else."""
    web = b"v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\na="
    for body in (data, b"v=0\r\n" + data, b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP 0 " + data, web + data):
        refusal = None
        try:
            read_remote(body)
        except SdpError as error:
            refusal = error
        assert refusal is None or (refusal.status in (400, 488) and refusal.reason.isprintable())


OFFER = build_offer(
    session_id=1,
    version=1,
    address="192.0.2.1",
    port=4000,
    codecs=(Codec("PCMA", 8), Codec("PCMU", 0)),
    event_pt=101,
)


@given(st.data())
def test_a_damaged_offer_is_read_or_refused(data: st.DataObject) -> None:
    """Cutting and overwriting a good offer anywhere gives a Remote in its bounds or an SdpError."""
    begin = data.draw(st.integers(0, len(OFFER)))
    end = data.draw(st.integers(begin, min(len(OFFER), begin + 12)))
    try:
        found = read_remote(OFFER[:begin] + data.draw(st.binary(max_size=8)) + OFFER[end:])
    except SdpError:
        return
    assert 1 <= found.port <= 65535
    assert 10 <= found.ptime <= 200
    assert found.audio
    assert all(0 <= codec.payload_type <= 127 for codec in found.audio)


CODECS = st.lists(
    st.builds(Codec, st.sampled_from(["PCMA", "PCMU"]), st.integers(0, 95)),
    min_size=1,
    max_size=3,
    unique_by=lambda codec: codec.payload_type,
).map(tuple)


@given(ADDRESS, st.integers(1, 65535), CODECS, st.none() | st.integers(96, 127), DIRECTION)
def test_an_offer_of_ours_says_what_was_asked(
    address: str, port: int, codecs: tuple[Codec, ...], event_pt: int | None, direction: Direction
) -> None:
    """read_remote(build_offer(x)) gives back x."""
    found = read_remote(
        build_offer(
            session_id=1,
            version=1,
            address=address,
            port=port,
            codecs=codecs,
            event_pt=event_pt,
            direction=direction,
        )
    )
    assert (found.address, found.port, found.audio) == (address, port, codecs)
    assert found.event_pt == event_pt
    if address not in ("0.0.0.0", "::"):
        assert found.direction == direction


@given(st.lists(MEDIA, max_size=5), st.integers(0, 5), DIRECTION, DIRECTION)
def test_both_sides_of_an_exchange_agree(
    others: list[Media], place: int, offered: Direction, willing: Direction
) -> None:
    """The answer has the m-lines of the offer, and what one side sends the other receives."""
    others = [Media("x" + media.kind[:8], media.port, media.protocol, media.formats) for media in others]
    ours = parse_sdp(
        build_offer(
            session_id=1,
            version=1,
            address="192.0.2.1",
            port=4000,
            codecs=(Codec("PCMA", 8),),
            event_pt=101,
            direction=offered,
        )
    )
    ours.media[:] = [*others[:place], *ours.media, *others[place:]]
    offer = ours.render()
    found = read_remote(offer)
    direction = answer_direction(found.direction, willing)
    reply = build_answer(
        offer,
        session_id=2,
        version=1,
        address="192.0.2.2",
        port=5000,
        codec=found.audio[0],
        event_pt=found.event_pt,
        direction=direction,
    )
    kinds = [(media.kind, media.protocol) for media in parse_sdp(reply).media]
    assert kinds == [(media.kind, media.protocol) for media in ours.media]
    assert [media.port for media in parse_sdp(reply).media if media.port] == [5000]
    answerer = agree_as_answerer(found, found.audio[0], found.event_pt, direction)
    offerer = agree_as_offerer(read_remote(reply), (Codec("PCMA", 8),), 101, offered)
    assert (answerer.send, answerer.receive) == (offerer.receive, offerer.send)
    assert (answerer.send_pt, answerer.send_event_pt) == (offerer.receive_pt, offerer.receive_event_pt)
    assert (offerer.port, answerer.port) == (5000, 4000)


USUAL_ATTRIBUTE = st.one_of(
    st.sampled_from(
        ["rtpmap:8 PCMA/8000", "rtpmap:0 pcmu/8000/1", "rtpmap:101 telephone-event/8000", "rtpmap:8 G729/8000"]
    ),
    st.sampled_from(["ptime:30", "ptime:x", "sendonly", "inactive", "recvonly ", "rtpmap:", "x"]),
    TEXT,
)


@given(
    ADDRESS,
    PORT,
    st.lists(st.sampled_from(["0", "8", "08", "101", "18", "127", "128"]), min_size=1, max_size=5),
    st.lists(USUAL_ATTRIBUTE, max_size=6),
)
def test_a_usual_description_reads_as_one_that_needs_the_full_parser(
    address: str, port: int, formats: list[str], attributes: list[str]
) -> None:
    """With bare line feeds, which the quick pattern does not take, the same lines say the same."""
    family = "IP6" if ":" in address else "IP4"
    head = f"v=0\no=- 1 1 IN {family} {address}\ns=-\nc=IN {family} {address}\nt=0 0\n"
    text = f"{head}m=audio {port} RTP/AVP {' '.join(formats)}\n" + "".join(f"a={each}\n" for each in attributes)
    found = []
    for body in (text, text.replace("\n", "\r\n")):
        try:
            found.append(read_remote(body.encode()))
        except SdpError as error:
            found.append((error.status, error.warning))
    assert found[0] == found[1]


# --- offers of any codecs ---

KIND = st.sampled_from(
    [
        ("PCMU", 8000, 1),
        ("PCMA", 8000, 1),
        ("G722", 8000, 1),
        ("opus", 48000, 2),
        ("G729", 8000, 1),
        ("AMR-WB", 16000, 1),
    ]
)
PARAMETERS = st.sampled_from(["", "octet-align=1", "useinbandfec=1;stereo=1", "mode=20", "annexb=no"])


@st.composite
def offers(draw: st.DrawFn) -> bytes:
    """An offer of some codecs under any numbers, with or without events and noise."""
    kinds = draw(st.lists(KIND, min_size=1, max_size=6))
    numbers = draw(st.permutations(range(96, 128)))
    codecs = [
        Codec(name, number, rate, channels, draw(PARAMETERS))
        for (name, rate, channels), number in zip(kinds, numbers, strict=False)
    ]
    also = [
        Codec("telephone-event", numbers[20 + n], rate)
        for n, rate in enumerate(draw(st.sets(st.sampled_from([16000, 48000]))))
    ]
    also += [Codec("CN", 13)] if draw(st.booleans()) else []
    return build_offer(
        session_id=1, version=1, address="192.0.2.9", port=4000, codecs=tuple(codecs),
        event_pt=numbers[30] if draw(st.booleans()) else None, also=tuple(also),
        ptime=draw(st.sampled_from([10, 20, 30, 60])),
    )  # fmt: skip


def _formats(body: bytes) -> set[tuple[str, str]]:
    """Payload types and encodings of the audio that is taken."""
    (media,) = parse_sdp(body).media
    maps = dict(text[7:].split(None, 1) for text in media.attributes if text.startswith("rtpmap:"))
    return {(number, maps[number].upper()) for number in media.formats}


WORLD = World()


def _leg(codecs: tuple[str, ...]) -> Leg:
    """A leg that may have these codecs."""
    x = WORLD.exchange
    return Leg(
        id=x.new_id(), call_id="call", role="caller", local_tag="t", source=("192.0.2.9", 5060), sdp_id=1,
        record=leg_record(x, "caller", "anybody", WORLD.now), codecs=codecs, lease=Lease(0, 4000, 1, "192.0.2.1"),
    )  # fmt: skip


@given(
    offers(),
    offers(),
    st.sets(st.sampled_from(["PCMA", "PCMU", "G722", "opus", "any"]), min_size=1).map(tuple),
    st.booleans(),
)
def test_an_answer_is_a_subset_of_its_offer_and_both_sides_agree(
    offer: bytes, other: bytes, codecs: tuple[str, ...], recorded: bool
) -> None:
    """Caller and called leg through the switch: each answer repeats numbers and codecs of its offer, and nothing else.

    What one side sends has the number that the other said it receives; codecs differ only where both are ours.
    """
    caller, called = _leg(codecs), _leg(codecs)
    try:
        read_offer(WORLD.exchange, caller, offer)
    except SdpError:
        return
    if recorded and not can_speak(WORLD.exchange, caller):
        return
    asked = make_offer(WORLD.exchange, called, caller, ours=recorded)
    if not called.offered:
        return
    theirs = read_remote(asked)
    chosen = read_remote(other).audio
    shared = [codec for codec in theirs.audio if any(same_codec(codec, one) for one in chosen)] or list(theirs.audio)
    event = event_format(theirs, shared[0])
    answer = build_answer(
        asked, session_id=2, version=1, address="192.0.2.8", port=5000, codec=shared[0], direction="sendrecv",
        event_pt=None, also=(Codec("telephone-event", *event),) if event is not None else (),
    )  # fmt: skip
    take_answer(called, answer)
    assert called.agreement is not None
    assert called.agreement.receive_pt == shared[0].payload_type
    final = make_answer(WORLD.exchange, caller, called.agreement)
    assert _formats(final) <= _formats(offer)
    agreed = caller.agreement
    assert agreed is not None
    found = read_remote(final)
    assert [codec.payload_type for codec in found.audio] == [agreed.send_pt] == [agreed.receive_pt]
    if agreed.codec.upper() != called.agreement.codec.upper():
        assert {agreed.codec, called.agreement.codec} <= set(OURS)
        assert {agreed.codec, called.agreement.codec} <= set(codecs) or "any" in codecs


# --- browsers ---

PRINT = ":".join(["0F"] * 32)
ICE = st.text("abcXYZ019+/", min_size=22, max_size=40)
CANDIDATE = st.builds(
    Candidate,
    st.text("abcXYZ019+/", min_size=1, max_size=32),
    st.integers(1, (1 << 32) - 1),
    ADDRESS.filter(lambda address: address != "0.0.0.0"),
    st.integers(1, 65535),
    st.sampled_from(["host", "srflx", "relay", "prflx"]),
)
OWN = st.builds(
    OwnTransport,
    ICE,
    ICE,
    st.just(Fingerprint("sha-256", PRINT)),
    st.lists(CANDIDATE, min_size=1, max_size=5).map(tuple),
)


@given(OWN, DIRECTION, st.sampled_from(["active", "passive", "actpass"]))
def test_a_transport_is_read_as_it_was_written(own: OwnTransport, direction: Direction, setup: Setup) -> None:
    """Credentials, candidates, direction and setup of an offer to a browser, and of the answer to it."""
    offer = build_web_offer(
        own, session_id=1, version=1, codecs=(PCMU,), event_pt=101, direction=direction, setup=setup
    )
    answer = build_web_answer(
        offer, own, session_id=2, version=1, codec=PCMU, event_pt=101, direction=direction, setup=setup
    )
    for body in (offer, answer):
        remote = read_remote(body)
        assert remote.web is not None
        assert (remote.web.ufrag, remote.web.password, remote.web.setup) == (own.ufrag, own.password, setup)
        assert (remote.web.candidates, remote.web.fingerprints) == (own.candidates, (own.fingerprint,))
        assert (remote.direction, remote.event_pt, remote.audio) == (direction, 101, (PCMU,))
        assert SessionDescription.parse(body.decode()).media[0].rtp.muxId == "0"


BROWSER_LINES = (
    "a=mid:0", "a=mid:1 x", "a=ice-ufrag:abcd", f"a=ice-pwd:{'x' * 22}", "a=setup:active", "a=rtcp-mux", "a=sendonly",
    "a=candidate:1 1 udp 1 192.0.2.1 9 typ host", "a=bundle-only", "a=ice-lite", f"a=fingerprint:sha-256 {PRINT}",
    "m=video 9 UDP/TLS/RTP/SAVPF 96", "m=audio 0 UDP/TLS/RTP/SAVPF 0", "a=group:BUNDLE 0 1",
)  # fmt: skip


@given(st.lists(st.sampled_from(BROWSER_LINES) | TEXT.map("a={}".format), max_size=20))
def test_whatever_browser_is_answered_or_refused(lines: list[str]) -> None:
    """Each description is taken and answered with as many sections, or refused with 488."""
    offer = "\r\n".join(["v=0", "a=group:BUNDLE 0", "m=audio 9 UDP/TLS/RTP/SAVPF 0 8", *lines, ""]).encode("utf-8")
    own = OwnTransport("abcd", "p" * 22, Fingerprint("sha-256", PRINT), (Candidate("1", 1, "192.0.2.1", 9, "host"),))
    refusal = None
    try:
        read_remote(offer)
    except SdpError as error:
        refusal = error
    if refusal is not None:
        assert refusal.status in (400, 488)
        return
    answer = build_web_answer(
        offer, own, session_id=2, version=1, codec=PCMU, event_pt=None, direction="sendrecv", setup="active"
    )
    said, asked = parse_sdp(answer), parse_sdp(offer)
    assert [media.kind for media in said.media] == [media.kind for media in asked.media]
    assert [media.port for media in said.media if media.port] == [9]
