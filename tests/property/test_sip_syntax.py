"""Properties of the SIP syntax layer: round trips, agreement of quick and full parsers, bounded time."""

from __future__ import annotations

import re
import string
from time import process_time
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encoded

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from switchboard.sip.address import NameAddr, parse_name_addr, quote_display, scan_tag, scan_usual
from switchboard.sip.address import is_usual as is_usual_address
from switchboard.sip.digest import Challenger, Verdict, answer, ha1, parse_credentials
from switchboard.sip.errors import LocalError, ParseError, SipError
from switchboard.sip.headers import Headers, format_parameters, parse_parameters, quote, split_commas, unquote
from switchboard.sip.message import MAX_HEAD, Message, Request, parse_datagram
from switchboard.sip.registrar import Registrar
from switchboard.sip.stream import StreamFramer
from switchboard.sip.uri import Uri, is_usual_uri, is_well_formed, parse_uri, same_uri, unescape
from switchboard.sip.validate import validate
from switchboard.sip.via import Via, is_usual, parse_via, scan_branch

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = 5e-5
"""CPU seconds below which the price of a call itself is most of what is measured."""
MOST_RUNS, ENOUGH = 100, 1.0
"""After so many runs, or CPU seconds, that were all too long, it is not the machine."""

TCHAR = string.ascii_letters + string.digits + "-.!%*_+`'~"
token = st.text(TCHAR, min_size=1, max_size=12)
name = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=8)
# Text as it comes off the wire: any octets, decoded as the parser decodes them.
wire = st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
plain = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
tricky = st.text(st.sampled_from(' \t"\\<>,;=:@?%/[]*abtagr\0é'), max_size=30)
host = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,4})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
port = st.none() | st.integers(0, 65535)
uri_param = st.text(string.ascii_letters + string.digits + "-_.!~*'()[]/:&+$", min_size=1, max_size=8)
sip_uri = st.builds(
    Uri,
    scheme=st.sampled_from(["sip", "sips"]),
    user=st.none() | plain.filter(bool).map(percent_encoded),
    host=host,
    port=port,
    params=st.dictionaries(name, st.none() | uri_param, max_size=4),
    headers=st.sampled_from(["", "a=b", "Route=%3Csip:h%3E&x="]),
)
tel_uri = st.builds(
    Uri,
    scheme=st.just("tel"),
    user=st.from_regex(r"\+?[0-9][0-9\-.()]{0,12}", fullmatch=True),
    params=st.dictionaries(name, st.none() | uri_param, max_size=3),
)
uri = st.one_of(sip_uri, tel_uri)
header_param = st.dictionaries(name, st.one_of(st.none(), token, plain.map(quote)), max_size=4)


@given(uri)
def test_uri_round_trip(value: Uri) -> None:
    """A URI survives being written and read; both are equivalent and well formed."""
    text = str(value)
    assert parse_uri(text) == value
    assert is_well_formed(text)
    assert same_uri(value, text)
    assert same_uri(text.replace("sip", "SIP", 1), value)


@given(st.one_of(tricky, wire).map(lambda text: "sip:" + text))
@example("sip:a@b;p=1:5060")
def test_quick_uri_checks_agree(text: str) -> None:
    """What a quick check takes for a URI, the full parser takes, and it writes as it was read."""
    try:
        value = parse_uri(text)
    except ParseError:
        assert not is_well_formed(text)
        assert not is_usual_uri(text)
        return
    assert is_well_formed(text)
    assert parse_uri(str(value)) == value
    if is_usual_uri(text):
        assert (value.params, value.headers) == ({}, "")


@given(wire)
def test_escape_round_trip(text: str) -> None:
    """Any text survives as a user part, and so does its address-of-record."""
    escaped = percent_encoded(text, errors="surrogateescape")
    assert unescape(escaped) == text
    assume(text)
    value = parse_uri(f"sip:{escaped}@Example.COM")
    assert value.user_text == text
    assert parse_uri(f"sip:{value.aor}").aor == value.aor


@given(plain, uri.map(str), header_param)
def test_name_addr_round_trip(display: str, target: str, params: dict[str, str | None]) -> None:
    """A name-addr survives being written and read, and the tag scan finds its tag."""
    value = NameAddr(display, target, params)
    text = str(value)
    assert parse_name_addr(text) == value
    assert scan_tag(text) == value.tag
    assert split_commas(f"{text}, {text}") == [text, text]


@given(
    st.one_of(
        tricky,
        wire,
        tricky.map(lambda text: f'"{text}" <sip:a@h>;tag=1'),
        tricky.map(lambda text: f"A <sip:a@h{text}>;tag=1"),
        tricky.map(lambda t: f"<sip:a>{t}"),
    )
)
def test_quick_address_scan_agrees(text: str) -> None:
    """The one-match scan of From and To never disagrees with the full parser."""
    usual = scan_usual(text)
    if usual is None:
        assert not is_usual_address(text)
        return
    if is_usual_address(text):
        assert is_well_formed(usual[0])
    value = parse_name_addr(text)
    assert usual == (value.uri, value.tag)


@given(host, port, header_param, st.sampled_from(["UDP", "TCP", "TLS", "WSS"]))
def test_via_round_trip(name: str, number: int | None, params: dict[str, str | None], transport: str) -> None:
    """A Via survives being written and read, and the branch scan finds its branch."""
    value = Via("SIP/2.0", transport, name, number, params)
    assert parse_via(str(value)) == value
    assert scan_branch(f"{value}, {value}") == value.branch


@given(
    st.one_of(
        wire,
        tricky.map(lambda text: f"SIP/2.0/UDP h;branch=z9hG4bKa{text}"),
        tricky.map(lambda text: f"SIP/2.0/UDP h{text};branch=z9hG4bKa"),
    )
)
def test_quick_via_scan_agrees(text: str) -> None:
    """The quick checks of a Via never disagree with the full parser."""
    top = split_commas(text)[0]
    try:
        expected = parse_via(top).branch
    except ParseError:
        assert not is_usual(text)
        return
    assert scan_branch(text) == expected


usual_field = {
    "start": st.sampled_from(
        ["INVITE sip:1@h SIP/2.0", "BYE sip:h;lr SIP/2.0", "SIP/2.0 180 R", "ACK sips:a@h:1 SIP/2.0"]
    ),
    "Via": st.sampled_from(
        [
            "SIP/2.0/UDP h;branch=z9hG4bKa;rport",
            "SIP/2.0/TCP 192.0.2.1:5060;rport;branch=z9hG4bK-1",
            "SIP/2.0/UDP h;branch=z9hG4bKa;received=192.0.2.1;rport=5060",
            "SIP/2.0/UDP h;rport=5060;received=192.0.2.1;branch=z9hG4bKa",
        ]
    ),
    "From": st.sampled_from(['"A b" <sip:a@h>;tag=1', "<sips:h:5061;transport=tls>;tag=x.y", "A <sip:1@h>"]),
    "To": st.sampled_from(["<sip:b@h>", "<sip:b@h;user=phone>;tag=2"]),
    "Call-ID": st.sampled_from(["a", "a@h", "é"]),
    "CSeq": st.sampled_from(["1 INVITE", "999999999 BYE", "0 ACK"]),
    "Max-Forwards": st.sampled_from(["0", "070", "255"]),
    "Contact": st.sampled_from(["<sip:a@h>", "x <sip:a@h:1;ob>"]),
}
odd_field = st.one_of(
    tricky,
    st.text(st.sampled_from("09 z9hG4bKINVT;=<>@:/.sip?\t"), max_size=12),
    st.sampled_from(
        ["2147483648 INVITE", "1 invite", "256", "SIP/2.0/UDP h;branch=z9hG4bK", "sip:a@h", "*", "<sip:a@h?b>"]
    ),
    st.lists(st.sampled_from([";rport", ";rport=1", ";received=192.0.2.1", ";branch=z9hG4bKa", ";x"])).map(
        lambda parameters: f"SIP/2.0/UDP h{''.join(parameters)}"
    ),
    st.sampled_from(["SIP/2.0/UDP h;rport;branch=z9hG4bKa;rport", "SIP/2.0/UDP h;branch=z9hG4bKa, x", "<sip:a@h;x;x>"]),
)


route_parameter = st.sampled_from(["lr", "lr=on", "LR", "ftag=a.1", "did=3d.6", "transport=tcp", "r2=on", "x=%41", ""])
further_line = st.one_of(
    st.tuples(st.just("Via"), st.one_of(st.just("SIP/2.0/UDP h;branch=z9hG4bKb;rport=1;i=1"), tricky)),
    st.tuples(
        st.sampled_from(["Record-Route", "Route"]),
        st.one_of(
            st.lists(route_parameter, max_size=4).map(
                lambda params: f"<sip:192.0.2.9:5060{''.join(map(';{}'.format, params))}>"
            ),
            st.sampled_from(["<sip:h;lr>,<sip:h2;lr>", "<sips:a@h;lr>", "<sip:h;lr>;x=1", "sip:h", '"q" <sip:h;lr>']),
            odd_field,
        ),
    ),
    st.tuples(st.sampled_from(["Supported", "Contact", "CSeq", "From", "P-Asserted-Identity", "t"]), odd_field),
)


@given(
    st.fixed_dictionaries(usual_field),
    st.dictionaries(st.sampled_from([*usual_field][1:]), st.none() | odd_field, max_size=2),
    st.lists(further_line, max_size=4),
)
def test_recognising_a_usual_head_agrees_with_reading_it_part_by_part(
    fields: dict[str, str], changes: dict[str, str | None], further: list[tuple[str, str]]
) -> None:
    """What one match takes is without fault, and its tags, branch, CSeq and Contact are those of the full parsers."""
    lines = {**fields, **changes}
    start = lines.pop("start")
    ways = [*((name, value) for name, value in lines.items() if value is not None), *further]
    text = "\r\n".join([start or "", *(f"{name}: {value}" for name, value in ways)])
    message = parse_datagram(f"{text}\r\n\r\n".encode("utf-8", "surrogateescape"))
    if message.usual:
        message.usual = False
        known = (
            message.branch,
            message.from_tag,
            message.to_tag,
            message.cseq,
            message.cseq_method,
            message.contact_uri,
        )
        assert validate(message) is None
        contact = message.contact
        number, _, method = (message.headers.get("cseq") or "").partition(" ")
        uri = None if contact is None else contact.uri
        assert known == (message.via.branch, message.from_.tag, message.to.tag, int(number), method, uri)


def test_a_usual_head_is_recognised() -> None:
    """The quick way is taken by what every carrier sends."""
    head = "INVITE sip:1@192.0.2.1:5060;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1;rport\r\n"
    rest = 'From: "1" <sip:1@h>;tag=a\r\nTo: <sip:1@h>\r\nCall-ID: 1@h\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\r\n'
    assert parse_datagram((head + rest).encode()).usual
    for way in (
        "Route: <sip:h;lr>\r\n",
        "Via: SIP/2.0/UDP 192.0.2.3;received=192.0.2.4;branch=z9hG4bK2, SIP/2.0/UDP h\r\nRecord-Route: <sip:h;lr>\r\n",
        "Record-Route: <sip:192.0.2.2:5060;r2=on;transport=tcp;lr=on;ftag=a-1;did=1.a>\r\nRecord-Route: <sip:h;lr>\r\n",
        "P-Asserted-Identity: <sip:1@h>\r\nP-Asserted-Identity: <tel:+1>\r\n",
    ):
        assert parse_datagram((head + way + rest).encode()).usual, way
    for way in (
        "Route: <sip:h;lr>, <sip:h2;lr>\r\n",
        "Record-Route: <sip:h;lr>\r\nRecord-Route: <sip:h;lr;lr>\r\n",
        "Record-Route: <sip:h;ftag=a;lr;ftag>\r\n",
        "Contact: <sip:1@h>\r\nContact: <sip:2@h>\r\n",
        "CSeq: 1 INVITE\r\n",
    ):
        assert not parse_datagram((head + way + rest).encode()).usual, way
    for contact in ("sip:1@192.0.2.1:5070", "<sip:1@192.0.2.1:5070>", '"1" <sip:1@192.0.2.1:5070>'):
        message = parse_datagram(f"{head}Contact: {contact}\r\n{rest}".encode())
        assert message.usual
        assert message.contact_uri == "sip:1@192.0.2.1:5070"
    # What follows a bare URI belongs to the header (RFC 3261 §20.10), so this one is read part by part.
    message = parse_datagram(f"{head}Contact: sip:1@192.0.2.1;expires=60\r\n{rest}".encode())
    assert not message.usual
    assert message.contact_uri == "sip:1@192.0.2.1"


@pytest.mark.parametrize(
    "parameters",
    [
        *("branch=z9hG4bKa", "branch=z9hG4bKa;rport=5060", "branch=z9hG4bKa;received=192.0.2.1"),
        *("branch=z9hG4bKa;rport=5060;received=192.0.2.1", "branch=z9hG4bKa;received=192.0.2.1;rport=5060"),
        *("rport=5060;received=192.0.2.1;branch=z9hG4bKa", "rport=5060;branch=z9hG4bKa;received=192.0.2.1"),
    ],
)
def test_a_usual_response_is_recognised(parameters: str) -> None:
    """Whatever order its sender has for what it has filled in our Via (RFC 3261 §18.2.1, RFC 3581 §4)."""
    text = (
        f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;{parameters}\r\nFrom: <sip:1@h>;tag=a\r\n"
        "To: <sip:1@h>;tag=b\r\nCall-ID: 1@h\r\nCSeq: 1 INVITE\r\nContact: <sip:1@192.0.2.1>\r\n\r\n"
    )
    message = parse_datagram(text.encode())
    assert message.usual
    assert (message.branch, message.from_tag, message.to_tag) == ("z9hG4bKa", "a", "b")


@given(plain)
def test_quote_round_trip(text: str) -> None:
    """Quoting is undone by unquoting, and a quoted text is one element of a list."""
    assert unquote(quote(text)) == text
    assert split_commas(f"{quote(text)},x") == [quote(text), "x"]


@given(wire)
@example("a\r\nVia: evil")
def test_writers_cannot_break_lines(text: str) -> None:
    """Whatever text goes into a writer, no line end comes out."""
    written = [quote(text), quote_display(text)]
    writers: list[Callable[[], str]] = [
        lambda: str(NameAddr(text, "sip:a@h")),
        lambda: str(NameAddr("", text)),
        lambda: str(NameAddr("", "sip:a@h", {"x": text})),
        lambda: str(NameAddr("", "sip:a@h", {text: None})),
        lambda: str(Uri("sip", text, None, "h")),
        lambda: str(Uri("sip", "a", None, text)),
        lambda: str(Uri("tel", text)),
        lambda: str(Uri("urn", opaque=text)),
        lambda: str(Via("SIP/2.0", text, "h")),
        lambda: str(Via("SIP/2.0", "UDP", "h", None, {"branch": text})),
        lambda: format_parameters({"a": text}),
        lambda: answer('Digest realm="r", nonce="n"', "INVITE", text, text, password=text, cnonce=text),
    ]
    for write in writers:
        try:
            written.append(write())
        except LocalError:
            continue
    assert not any(re.search(r"[\r\n]", line) for line in written)


LINE = st.one_of(
    st.sampled_from(
        [
            b"Via: SIP/2.0/UDP h;branch=z9hG4bKa",
            b"v: SIP/2.0/UDP h;branch=z9hG4bKb, SIP/2.0/TCP i",
            b'From: "A" <sip:a@h>;tag=1',
            b"f: sip:a@h;tag=2",
            b"To: <sip:b@h>",
            b"Call-ID: x",
            b"CSeq: 1 INVITE",
            b"Max-Forwards: 70",
            b"m: *",
            b"Contact: <sip:c@h>, sip:d@h",
            b"Route: <sip:r;lr>",
            b"l: 0",
            b"Content-Length: 3",
            b"\tfolded",
        ]
    ),
    st.binary(max_size=30),
)
START = st.one_of(
    st.sampled_from([b"INVITE sip:b@h SIP/2.0", b"SIP/2.0 200 OK", b"ACK <sip:x> SIP/7.0"]), st.binary(max_size=20)
)
DATAGRAM = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda start, lines, body: b"\r\n".join([start, *lines]) + b"\r\n\r\n" + body,
        START,
        st.lists(LINE, max_size=12),
        st.binary(max_size=10),
    ),
)


def touch(message: Message) -> None:
    """Read everything a message offers; only the errors that say whose fault it is may come."""
    _ = (message.call_id, message.from_tag, message.to_tag, message.cseq, message.cseq_method, message.branch)
    _ = (message.content_type, repr(message), list(message.headers))
    names = ["via", "from_", "to", "contact"] + (
        ["request_uri", "max_forwards"] if isinstance(message, Request) else []
    )
    for attribute in names:
        try:
            getattr(message, attribute)
        except ParseError:
            continue


@given(DATAGRAM)
def test_any_datagram(data: bytes) -> None:
    """Any datagram is a message or a ParseError, and any message can be validated and read."""
    refused: ParseError | None = None
    try:
        message = parse_datagram(data)
    except ParseError as error:
        refused = error
    if refused is not None:
        if refused.partial is not None:
            touch(refused.partial)
            assert refused.status is not None
            assert not any(char in str(line) for line in refused.partial.headers for char in "\r\n")
        return
    touch(message)
    fault = validate(message)
    if fault is None:
        assert message.call_id
        assert message.cseq >= 0
        assert message.branch == message.via.branch
        assert message.from_tag == message.from_.tag
        assert message.to_tag == message.to.tag


@given(st.lists(st.sampled_from([b"a" * 7, b"", b"\r\n\r\n", bytes(range(256))]), min_size=1, max_size=5), st.data())
def test_stream_gives_what_datagrams_give(bodies: list[bytes], data: st.DataObject) -> None:
    """However a stream is cut, it gives the messages that were put in, octet for octet."""
    sent = [
        b"INFO sip:h SIP/2.0\r\nCall-ID: %d\r\nl: %d\r\n\r\n%b" % (i, len(body), body) for i, body in enumerate(bodies)
    ]
    stream = b"\r\n\r\n".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    framer = StreamFramer()
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    got = [message for piece in pieces for message in framer.feed(piece)]
    assert [message.raw for message in got] == sent
    assert [message.body for message in got] == [parse_datagram(each).body for each in sent]
    assert framer.pings == len(bodies) - 1


@given(plain.filter(bool), plain, st.sampled_from([0, 1]), st.integers(1, 0xFFFFFFFF), plain)
def test_digest_round_trip(user: str, password: str, which: int, nc: int, realm: str) -> None:
    """The right password is let in once, any other never."""
    challenger = Challenger(realm or "r", b"k" * 16)
    challenge = challenger.challenge(1.0, "s")[which]

    def stored(name: str, algorithm: str) -> str | None:
        return ha1(user, realm or "r", password, algorithm) if name == user else None

    def check(secret: str) -> Verdict:
        value = answer(challenge, "INVITE", "sip:h", user, password=secret, cnonce="c", nc=nc)
        return challenger.check(value, "INVITE", "sip:h", stored, 1.0)

    assert check(password + "x") is Verdict.WRONG
    assert check(password) is Verdict.OK
    assert check(password) is Verdict.REPLAY


@given(
    st.one_of(
        wire, tricky.map(lambda text: f"Digest {text}"), tricky.map(lambda t: f'Digest realm="r", nonce="{t}", qop={t}')
    )
)
def test_any_credentials(text: str) -> None:
    """Any Authorization value gets a verdict, and never OK by chance."""
    verdict = Challenger("r", b"k" * 16).check(text, "INVITE", "sip:h", lambda user, algorithm: None, 1.0)
    assert verdict in (Verdict.WRONG, Verdict.MALFORMED)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc*"), st.sampled_from([0, 1, 60, 100]), st.integers(1, 9), st.sampled_from("xy")),
        max_size=12,
    )
)
def test_registrar_model(steps: list[tuple[str, int, int, str]]) -> None:
    """Against a plain model: bindings are those of the requests taken, and all expire."""
    registrar = Registrar()
    model: dict[str, tuple[float, int, str]] = {}
    for at, (contact, expires, cseq, call_id) in enumerate(steps):
        now = at * 20.0
        model = {uri: entry for uri, entry in model.items() if entry[0] > now}
        value = "*" if contact == "*" else f"<sip:{contact}@h>"
        lines = [f"Call-ID: {call_id}", f"CSeq: {cseq} REGISTER", f"Contact: {value}", f"Expires: {expires}"]
        text = "\r\n".join(["REGISTER sip:h SIP/2.0", "To: <sip:u@h>", *lines, "", ""])
        request = parse_datagram(text.encode())
        assert isinstance(request, Request)
        registrar.handle_timer(now)
        touched = model.values() if contact == "*" else [model[contact]] if contact in model else []
        late = any(entry[2] == call_id and entry[1] >= cseq for entry in touched)
        bad = contact == "*" and expires != 0
        expected = 400 if bad else 423 if 0 < expires < 60 else 500 if late else 200
        assert registrar.register(request, "u@h", ("h", 1), now).status == expected
        if expected == 200:
            model = {uri: entry for uri, entry in model.items() if contact not in ("*", uri)}
            if expires and contact != "*":
                model[contact] = (now + expires, cseq, call_id)
        bound = {
            binding.contact[4]: (binding.expires_at, binding.cseq, binding.call_id)
            for binding in registrar.lookup("u@h", now)
        }
        assert bound == model
    registrar.handle_timer(1e6)
    assert (len(registrar), registrar.next_deadline()) == (0, None)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of one run."""
    begin = process_time()
    work()
    return process_time() - begin


def costs_at_most(times: float, one: Callable[[], object], other: Callable[[], object]) -> bool:
    """Whether `one` costs at most so many times the CPU of `other`.

    What else the machine does can only add to a run: one run of `one` that was left alone is enough, and it is waited
    for. That of `other` is the least of several.
    """
    bound = times * max(QUICK, min(cpu(other) for _ in range(10)))
    spent = 0.0
    for _ in range(MOST_RUNS):
        took = cpu(one)
        if took <= bound:
            return True
        spent += took
        if spent > ENOUGH:
            break
    return False


def quietly(function: Callable[[str], object], text: str) -> None:
    """Run a parser whose refusal is as good as its result."""
    try:
        function(text)
    except SipError:
        return


def shortened(text: str) -> None:
    """Look at all that is left, once for each character."""
    while text:
        text = text[1:]
        text.count(";")


HOSTILE: dict[str, tuple[Callable[[str], object], Callable[[int], str]]] = {
    "address: spaces": (parse_name_addr, lambda n: "a" + " " * n + "x"),
    "address: open quote": (parse_name_addr, lambda n: '"' + "a" * n),
    "address: escapes": (parse_name_addr, lambda n: '"' + "\\" * (2 * (n // 2) + 1)),
    "address: brackets": (parse_name_addr, lambda n: "<" * n),
    "address: quotes": (parse_name_addr, lambda n: '""' * (n // 2) + "<a>"),
    "tag scan: long display": (scan_tag, lambda n: "a" * n + ";<"),
    "tag scan: parameters": (scan_tag, lambda n: "<sip:a>" + ";p" * (n // 2)),
    "parameters: spaces": (lambda text: parse_parameters(text, "X"), lambda n: ";a" + " " * n + "="),
    "parameters: open quote": (lambda text: parse_parameters(text, "X"), lambda n: ';a="' + "\\a" * (n // 2)),
    "commas": (split_commas, lambda n: '"<' + "," * n),
    "commas: brackets": (split_commas, lambda n: "<," * (n // 2)),
    "commas: quotes": (split_commas, lambda n: '"",' * (n // 3)),
    "uri: user": (parse_uri, lambda n: "sip:" + "a" * n),
    "uri: escapes": (parse_uri, lambda n: "sip:" + "%41" * (n // 3) + "%4@h"),
    "uri: host": (parse_uri, lambda n: "sip:" + "a." * (n // 2) + "!"),
    "uri: brackets": (parse_uri, lambda n: "sip:[" + "1:" * (n // 2)),
    "uri: parameters": (parse_uri, lambda n: "sip:h" + ";a=b" * (n // 4)),
    "uri: headers": (parse_uri, lambda n: "sip:h?" + "a=b&" * (n // 4) + "<"),
    "uri: number": (parse_uri, lambda n: "tel:" + "1-" * (n // 2) + "x"),
    "uri: separators": (parse_uri, lambda n: "tel:" + "-" * n),
    "uri: quick check": (is_well_formed, lambda n: "sip:a@h;a=" + "b" * n + " "),
    "unescape": (unescape, lambda n: "%41" * (n // 3)),
    "via: spaces": (parse_via, lambda n: "SIP" + " " * n + "/"),
    "via: host": (parse_via, lambda n: "SIP/2.0/UDP " + "a" * n + "!"),
    "via: values": (scan_branch, lambda n: "SIP/2.0/UDP a," * (n // 14)),
    "via: quick check": (is_usual, lambda n: "SIP/2.0/UDP a;branch=z9hG4bK" + "a" * n + "!;"),
    "credentials": (parse_credentials, lambda n: "Digest " + "".join(f"a{i}=b," for i in range(n // 8))),
    "credentials: spaces": (parse_credentials, lambda n: "Digest a" + " " * n + "b"),
    "credentials: open quote": (parse_credentials, lambda n: 'Digest a="' + "\\a" * (n // 2)),
    "headers: lines": (lambda text: Headers(text.split("|")), lambda n: "a:b|" * (n // 4)),
    "headers: names": (lambda text: Headers([text]), lambda n: "a" * n),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_time_grows_no_faster_than_the_input(case: str) -> None:
    """Sixteen times the hostile input costs less than 64 times the CPU: nothing is quadratic (that would be 256)."""
    assert grows_evenly(*HOSTILE[case], 64_000)


def grows_evenly(function: Callable[[str], object], make: Callable[[int], str], size: int) -> bool:
    """Whether an input of this size costs much less than the square of what a sixteenth of it does."""
    small, large = make(size // 16), make(size)
    return costs_at_most(64, lambda: quietly(function, large), lambda: quietly(function, small))


QUADRATIC: dict[str, tuple[Callable[[str], object], Callable[[int], str]]] = {
    "a search that begins anew at each place": (re.compile("a+b").search, lambda n: "a" * n),
    "two repetitions of the same": (re.compile("a*a*b").match, lambda n: "a" * n),
    "a part taken off the front again and again": (shortened, lambda n: "," * n),
}


@pytest.mark.parametrize("case", QUADRATIC)
def test_what_grows_faster_is_found_out(case: str) -> None:
    """Expressions and loops as the parsers must not have them."""
    assert not grows_evenly(*QUADRATIC[case], 8_000)


def head(*lines: str) -> bytes:
    """Make an otherwise good INVITE with these lines."""
    good = ["INVITE sip:b@h SIP/2.0", "From: <sip:a@h>;tag=1", "To: <sip:b@h>", "Call-ID: x", "CSeq: 1 INVITE"]
    return ("\r\n".join([*good, *lines]) + "\r\n\r\n").encode()


VIA = "Via: SIP/2.0/UDP h;branch=z9hG4bKa"
FLOODS = {
    "64 KiB header": head(VIA, "X: " + "x" * 65_000),
    "1,000 Via lines": head(*[VIA] * 1000),
    "1,000 Via values": head(VIA + ", SIP/2.0/UDP h;branch=z9hG4bKb" * 1000),
    "Vias up to the limit": head(VIA + ", SIP/2.0/UDP h" * ((MAX_HEAD - 300) // 15)),
    "10,000 parameters": head(VIA, "Contact: <sip:a@h>" + ";p" * 10_000),
    "parameters up to the limit": head(VIA, "Contact: <sip:a@h>" + ";p" * ((MAX_HEAD - 300) // 2)),
    "contacts up to the limit": head(VIA, "Contact: " + ", ".join(["<sip:a>"] * ((MAX_HEAD - 300) // 9))),
    "routes up to the limit": head(VIA, "Route: " + ", ".join(['"" <sip:a>;b'] * ((MAX_HEAD - 300) // 14))),
    "64 KiB of empty lines": b"\r\n" * 32_000,
    "64 KiB of folds": b"INVITE sip:b@h SIP/2.0\r\nX: a" + b"\r\n b" * 16_000 + b"\r\n\r\n",
    "64 KiB of line feeds": b"INVITE sip:b@h SIP/2.0\r\n" + b"\n" * 64_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_largest_datagrams_cost_little(flood: str) -> None:
    """The worst a datagram can hold costs at most 400 usual messages to parse and validate."""
    data = FLOODS[flood]
    usual = head(VIA, "Contact: <sip:a@h>", "Max-Forwards: 70")

    def work(datagram: bytes) -> None:
        try:
            message = parse_datagram(datagram)
        except ParseError as error:
            if error.partial is None:
                return
            message = error.partial
        validate(message)
        touch(message)

    def hundred() -> None:
        for _ in range(100):
            work(usual)

    assert costs_at_most(4, lambda: work(data), hundred)


def test_slow_stream_costs_no_more_than_a_fast_one() -> None:
    """A head sent octet by octet is not searched again from its start."""

    def feed(size: int) -> None:
        framer = StreamFramer()
        framer.feed(b"INVITE sip:h SIP/2.0\r\nX: ")
        for _ in range(size):
            framer.feed(b"x")

    assert costs_at_most(64, lambda: feed(16_000), lambda: feed(1_000))
