"""Readers of SIP: each takes any octets and raises only what it declares."""

from __future__ import annotations

import contextlib
import itertools

from switchboard.calls.causes import cause_of_response
from switchboard.sip import address, uri, via
from switchboard.sip.address import parse_name_addr, scan_tag
from switchboard.sip.core import SipCore
from switchboard.sip.digest import Challenger, Verdict, answer, can_answer, parse_credentials, pick
from switchboard.sip.errors import LocalError, ParseError, ProtocolError, SipError
from switchboard.sip.events import RequestReceived
from switchboard.sip.headers import Headers, parse_parameters, quote, split_commas, unfold, unquote
from switchboard.sip.message import MAX_BODY, MAX_HEAD, Message, Request, parse_datagram
from switchboard.sip.parts import SDP, take_description
from switchboard.sip.refer import parse_refer_to, refer_to_of, referred_by_of, wants_subscription
from switchboard.sip.reliable import parse_rack, parse_rseq
from switchboard.sip.replaces import parse_replaces
from switchboard.sip.session_timer import lists, parse_min_se, parse_session_expires
from switchboard.sip.stream import StreamFramer
from switchboard.sip.subscription import event_of, expires_of
from switchboard.sip.timers import Timers
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.sip.transaction.table import State
from switchboard.sip.uri import parse_uri, same_uri, unescape
from switchboard.sip.validate import validate
from switchboard.sip.via import parse_via, scan_branch
from tests.fuzz.pieces import Pieces, text_of

LOCAL, PEER = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
_LISTS = ("via", "contact", "route", "record-route", "supported", "require", "path", "p-asserted-identity")


def message(data: bytes) -> None:
    """A datagram: read, validated, and everything in it looked at."""
    try:
        read = parse_datagram(data)
    except ParseError as error:
        if error.partial is not None:
            look_at(error.partial)
        return
    fault = validate(read)
    look_at(read)
    if fault is None:
        _ = read.via, read.from_, read.to
        assert read.branch is None or read.branch == read.via.branch
        assert (read.from_tag, read.to_tag) == (read.from_.tag, read.to.tag)


def look_at(read: Message) -> None:
    """All that a message offers; only errors that say whose fault it is may come."""
    for name in ("via", "from_", "to", "contact", "contact_uri", "content_type", "request_uri", "user", "max_forwards"):
        if hasattr(type(read), name):
            with contextlib.suppress(SipError):
                getattr(read, name)
    for name in _LISTS:
        read.headers.values(name)
    list(read.headers)
    repr(read)
    lists(read.headers, "supported", "timer")
    if isinstance(read, Request):
        for reader in (refer_to_of, referred_by_of, wants_subscription, event_of):
            with contextlib.suppress(SipError):
                reader(read)
        expires_of(read, 60, 3600)
    else:
        cause_of_response(read.status, read.headers.getall("reason"))


def stream(data: bytes) -> None:
    """A stream in one piece and in many: the same messages, the same fault."""
    pieces = Pieces(data)
    step = 1 + pieces.number()
    octets = pieces.rest()
    whole, cut = _framed([octets]), _framed([octets[at : at + step] for at in range(0, len(octets), step)])
    assert cut[0] == whole[0]
    assert (cut[1] is None) == (whole[1] is None) or len(octets) > MAX_HEAD
    assert max((len(raw) for raw in whole[0]), default=0) <= 2 * MAX_HEAD + MAX_BODY


def _framed(chunks: list[bytes]) -> tuple[list[bytes], ParseError | None]:
    framer, found = StreamFramer(), []
    for chunk in chunks:
        try:
            for one in framer.feed(chunk):
                validate(one)
                found.append(one.raw)
        except ParseError:
            assert framer.failure is not None
    framer.close()
    return found, framer.failure


def parts(data: bytes) -> None:
    """A Content-Type, and a body in the next lines: what is taken for the description is a part of it."""
    kind, _, body = data.partition(b"\n")
    head = b"SIP/2.0 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind.replace(b"\r", b""), len(body))
    try:
        read = parse_datagram(head + body)
    except ParseError:
        return
    taken = take_description(read)
    assert read.body == body or (taken and read.body in body)
    if taken:
        assert read.content_type == SDP
        assert not take_description(read)


def uris(data: bytes) -> None:
    """One URI or two of them: read, compared, written."""
    one, _, other = text_of(data).partition(" ")
    unescape(one)
    well_formed = uri.is_well_formed(one)
    try:
        read = parse_uri(one)
    except ParseError:
        assert not well_formed
        assert not uri.is_usual_uri(one)
        return
    assert well_formed
    assert same_uri(read, read)
    assert read.aor is not None
    with contextlib.suppress(LocalError):
        assert parse_uri(str(read)) == read
    with contextlib.suppress(ParseError):
        assert same_uri(one, other) == same_uri(other, one)


def addresses(data: bytes) -> None:
    """From, To, Contact, Route."""
    text = text_of(data)
    quick, tag = address.scan_usual(text), scan_tag(text)
    try:
        read = parse_name_addr(text)
    except ParseError:
        assert quick is None
        assert tag is None
        return
    assert tag == read.tag
    assert quick is None or quick == (read.uri, read.tag)
    with contextlib.suppress(LocalError):
        again = parse_name_addr(str(read))
        assert (again.uri, again.params) == (read.uri, read.params)


def vias(data: bytes) -> None:
    """Via, alone and as a list."""
    text = text_of(data)
    branch, usual = scan_branch(text), via.is_usual(text)
    try:
        read = parse_via(split_commas(text)[0])
    except ParseError:
        assert not usual
        return
    assert not usual or branch == read.branch
    _ = read.received, read.rport, read.ttl, read.wants_rport
    with contextlib.suppress(LocalError):
        assert parse_via(str(read)) == read


def headers(data: bytes) -> None:
    """Header lines, folded ones too; lists, parameters and quoted strings."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    found = Headers(lines)
    assert len(found) <= len(lines)
    assert all("\n" not in line for line in unfold(lines))
    for name, value in found:
        parts = split_commas(value)
        assert len(parts) <= value.count(",") + 1
        assert found.get(name) is not None or found.malformed is not None
        with contextlib.suppress(ParseError):
            parse_parameters(value, name)
        assert unquote(quote(value)) == "".join(" " if c < " " or c == "\x7f" else c for c in value)


def values(data: bytes) -> None:
    """The values of headers that have a reader of their own."""
    text = text_of(data)
    for reader in (parse_rack, parse_rseq, parse_session_expires, parse_min_se, parse_replaces, parse_refer_to):
        with contextlib.suppress(ParseError, ProtocolError):
            reader(text)
    for status in (200, 480, 503):
        cause_of_response(status, [text])


def digest(data: bytes) -> None:
    """An answer to our challenge, and a challenge to us."""
    text = text_of(data)
    challenger = Challenger("x", bytes(16), max_nonces=4)
    issued = challenger.challenge(1.0, "salt")[0]
    nonce = parse_credentials(issued).get("nonce")
    for given in (text, text.replace("NONCE", nonce)):
        verdict = challenger.check(given, "REGISTER", "sip:x", lambda user, algorithm: "0" * 64, 2.0)
        assert verdict in Verdict
    pick([text, issued], "x")
    with contextlib.suppress(ParseError, ProtocolError):
        said = answer(text, "REGISTER", "sip:x", "u", cnonce="c", password="p")
        assert can_answer(text)
        assert "\n" not in said
        parse_credentials(said)


def core(data: bytes) -> None:
    """Datagrams one after the other before a core that answers at last: in the end nothing is left of them."""
    pieces = Pieces(data)
    tokens = itertools.count(1)
    sip = SipCore(local=LOCAL, timers=Timers(), random_token=lambda: f"{next(tokens):08x}", user_agent="x")
    asked: list[ServerTransaction] = []
    now = 0.0
    for _ in range(8):
        if not pieces.left:
            break
        choice = pieces.number()
        now += (choice & 7) * 0.4
        sip.handle_timer(now)
        sip.receive(pieces.piece(), PEER, now)
        _drain(sip, asked)
        _respond(sip, asked, (180, 200, 404, 0)[choice >> 6], now)
    for _ in range(500):
        _respond(sip, asked, 500, now)
        _drain(sip, asked)
        due = sip.next_deadline()
        if due is None:
            break
        now = max(now, due)
        sip.handle_timer(now)
        _drain(sip, asked)
    assert set(sip.counts().values()) == {0}, sip.counts()


def _drain(sip: SipCore, asked: list[ServerTransaction]) -> None:
    """Take what the core says: requests to be answered, datagrams of which each can be read again.

    But one: the refusal of a head that is too large repeats parts of it.
    """
    asked += [event.tx for event in sip.take_events() if isinstance(event, RequestReceived)]
    for octets, _ in sip.take_datagrams():
        if len(octets) < MAX_HEAD:
            parse_datagram(octets)


def _respond(sip: SipCore, asked: list[ServerTransaction], status: int, now: float) -> None:
    """Answer all that may still be answered; a provisional response is not the last."""
    for tx in asked if status else ():
        if tx.state in (State.TRYING, State.PROCEEDING):
            sip.respond(tx, status if tx.method == "INVITE" or status >= 200 else 200, now=now)
    if status >= 200:
        asked.clear()
