"""Properties of descriptions that no example can show."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from media.offer_answer import (
    Codec,
    agree_as_answerer,
    agree_as_offerer,
    answer_direction,
    build_answer,
    build_offer,
    read_remote,
)
from media.sdp import DIRECTIONS, Direction, Media, Origin, SdpError, Session, parse_sdp

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
    for body in (data, b"v=0\r\n" + data, b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP 0 " + data):
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
