"""The torture messages of RFC 4475 and RFC 5118, row by row, against parser and validator."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from switchboard.calls.inbound import screen_any
from switchboard.sip.address import parse_name_addr
from switchboard.sip.errors import ParseError, ProtocolError
from switchboard.sip.message import Message, Request, Response, parse_datagram
from switchboard.sip.stream import StreamFramer
from switchboard.sip.uri import same_uri, unescape
from switchboard.sip.validate import validate
from switchboard.sip.via import parse_via

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CORPUS: Final = (
    Path(os.environ.get("SWITCH_CORPUS") or Path(__file__).parents[2].parent / "shared" / "data") / "torture"
)


class Row(NamedTuple):
    """One line of the manifest, as far as the syntax layer is concerned."""

    name: str
    folder: str
    parse: str
    expect: str

    @property
    def data(self) -> bytes:
        """The message itself."""
        return (CORPUS / self.folder / f"{self.name}.dat").read_bytes()


class Decision(NamedTuple):
    """What we do where the RFC leaves a choice: the status owed, or None when the message is let through."""

    status: int | None
    why: str


# RFC 4475 calls these malformed and lets an element be liberal; each is decided once, here.
DECISIONS: Final[dict[str, Decision]] = {
    "ltgtruri": Decision(400, "a liberal element would have to strip <> before forwarding"),
    "lwsruri": Decision(400, "the Request-URI ends at the first space; what follows cannot be forwarded"),
    "lwsstart": Decision(400, "one space each, RFC 3261 §7.1"),
    "trws": Decision(400, "no space after the version, RFC 3261 §7.1"),
    "escruri": Decision(400, "headers in a Request-URI would become headers of a call"),
    "baddate": Decision(None, "nothing depends on Date, so it must not fail a call"),
    "regbadct": Decision(400, "Contact with ? must be in brackets, else its headers belong to nobody"),
    "badaspec": Decision(400, "a URI with spaces cannot be forwarded"),
    "baddn": Decision(400, "the archive's file has no empty line after its headers"),
    "badbranch": Decision(400, "an empty identifier would match every such request of that sender"),
    "insuf": Decision(400, "no From, To and Call-ID"),
}

# Rows where we depart from what the manifest demands; kept empty, and tested to be true.
DEVIATIONS: Final[dict[str, Decision]] = {}


def manifest() -> list[Row]:
    """Read the manifest; empty when the corpus is absent."""
    path = CORPUS / "manifest.tsv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Row(row["name"], row["dir"], row["parse"], row["expect"]) for row in rows]


ROWS: Final = manifest()
BY_NAME: Final = {row.name: row for row in ROWS}
pytestmark = pytest.mark.skipif(not ROWS, reason=f"torture corpus not found in {CORPUS}; set SWITCH_CORPUS")


def rows(kind: str) -> Sequence[object]:
    """Make one test parameter of each row of that kind; one visible skip when there is no corpus."""
    chosen = [pytest.param(row, id=row.name) for row in ROWS if row.parse == kind and row.name not in DEVIATIONS]
    return chosen or [pytest.param(Row("absent", "", "", ""), id="corpus-absent")]


def fault_of(data: bytes) -> ParseError | ProtocolError | None:
    """Return what parser or validator have against a message."""
    try:
        return validate(parse_datagram(data))
    except ParseError as error:
        return error


@pytest.mark.parametrize("row", rows("accept"))
def test_accepts_what_is_well_formed(row: Row) -> None:
    """A well-formed message is parsed and validated without a fault, and keeps its octets."""
    message = parse_datagram(row.data)
    assert validate(message) is None
    assert row.data.startswith(message.raw)


@pytest.mark.parametrize("row", rows("reject"))
def test_names_the_status_owed(row: Row) -> None:
    """A malformed request is owed the status of the manifest and can be answered."""
    fault = fault_of(row.data)
    assert fault is not None
    assert fault.status == int(row.expect)
    request = fault.partial if isinstance(fault, ParseError) else parse_datagram(row.data)
    assert isinstance(request, Request)
    assert request.headers.get("via")


@pytest.mark.parametrize("row", rows("discard"))
def test_discards_responses(row: Row) -> None:
    """A response that must be discarded is owed no answer, whether it can be read or not."""
    fault = fault_of(row.data)
    assert fault is None or fault.status is None
    assert (fault is None) == (row.name == "bcast")


@pytest.mark.parametrize("row", rows("either"))
def test_decides_where_the_rfc_leaves_a_choice(row: Row) -> None:
    """Each choice the RFC leaves is taken as the table of decisions says."""
    fault = fault_of(row.data)
    assert (None if fault is None else fault.status) == DECISIONS[row.name].status


def test_decisions_are_not_stale() -> None:
    """The table of decisions holds exactly the rows that leave a choice."""
    assert set(DECISIONS) == {row.name for row in ROWS if row.parse == "either"}


def test_deviations_are_real() -> None:
    """A row listed as a deviation does deviate, in the way it is listed."""
    for name, deviation in DEVIATIONS.items():
        fault = fault_of(BY_NAME[name].data)
        status = None if fault is None else fault.status
        assert status == deviation.status
        assert str(status) != BY_NAME[name].expect


def test_corpus_is_complete() -> None:
    """All 61 rows are there, so that none is left out unseen."""
    assert len(ROWS) == len(BY_NAME) == 61


def test_terminated_display_name() -> None:
    """With its empty line restored, baddn is refused for its display names."""
    fault = fault_of((CORPUS / "extra" / "baddn_terminated.dat").read_bytes())
    assert fault is not None
    assert (fault.status, fault.header) == (400, "From")


def request_of(name: str) -> Request:
    """Parse a row that is a request."""
    message = parse_datagram(BY_NAME[name].data)
    assert isinstance(message, Request)
    return message


def response_of(name: str) -> Response:
    """Parse a row that is a response."""
    message = parse_datagram(BY_NAME[name].data)
    assert isinstance(message, Response)
    return message


def test_wsinv() -> None:
    """Folding, compact forms, escaped quotes and odd white space read as their plain form."""
    message = request_of("wsinv")
    assert message.request_uri.params == {"unknownparam": None}
    assert message.to_tag == "1918181833n"
    assert message.from_.display == 'J Rosenberg \\"'
    assert (message.from_.uri, message.from_tag) == ("sip:jdrosen@example.com", "98asjd8")
    assert (message.max_forwards, message.cseq, message.cseq_method) == (68, 9, "INVITE")
    assert message.headers.get("subject") == ""
    assert message.headers.get("newfangledheader") == "newfangled value continued newfangled value"
    vias = [parse_via(value) for value in message.headers.values("via")]
    assert [(via.transport, via.host) for via in vias] == [
        ("UDP", "192.0.2.2"),
        ("TCP", "spindle.example.com"),
        ("UDP", "192.168.255.111"),
    ]
    assert [via.branch for via in vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    contact = message.contact
    assert contact is not None
    assert contact.display == 'Quoted string ""'
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert len(message.body) == 150


def test_intmeth() -> None:
    """Every character the grammar allows is taken, and % is no escape in method, tag and Call-ID."""
    message = request_of("intmeth")
    assert message.method == message.cseq_method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.call_id == r"""intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"""
    assert message.to.display == "BEL:\a NUL:\0 DEL:\x7f"
    assert message.from_.display == "token1~` token2'+_ token3*%!.-"
    assert message.from_tag == "_token~1'+`*%!-."
    assert message.request_uri.host == "example.com"
    assert message.headers.get("extensionheader-!.%*+_`'~") == "\ufeff大停電"


def test_esc01() -> None:
    """Escapes are undone once and never again."""
    message = request_of("esc01")
    assert message.request_uri.user_text == "sips:user@example.com"
    assert same_uri(message.to.uri, "sip:user@example.com")
    contact = message.contact
    assert contact is not None
    assert same_uri(contact.uri, "sip:caller@host5.example.net;lr;name=value%2541")
    assert unescape("v%61lue%25%34%31") == "value%41"


def test_escnull() -> None:
    """An escaped NUL neither ends an address nor makes two addresses one."""
    message = request_of("escnull")
    first, second = (parse_name_addr(value).uri for value in message.headers.values("contact"))
    assert not same_uri(first, second)
    assert len({first, second}) == 2


def test_esc02() -> None:
    """An escaped method and an escaped header name are other names."""
    message = request_of("esc02")
    assert message.method == "RE%47IST%45R"
    assert len(message.headers.values("contact")) == 2
    assert message.to.display == "%Z%45"


def test_lwsdisp() -> None:
    """A display name needs no space before its bracket."""
    message = request_of("lwsdisp")
    assert (message.from_.display, message.from_tag) == ("caller", "323")


def test_longreq() -> None:
    """Long values and 34 Vias are taken whole."""
    message = request_of("longreq")
    assert len(message.headers.values("via")) == 34
    assert len(message.from_tag or "") > 100
    assert len(message.call_id) > 100


def test_dblreq() -> None:
    """On UDP the octets after the message are dropped, on a stream they are the next message."""
    data = BY_NAME["dblreq"].data
    message = parse_datagram(data)
    assert message.cseq_method == "REGISTER"
    assert len(message.raw) < len(data)
    assert [each.cseq_method for each in StreamFramer().feed(data)] == ["REGISTER", "INVITE"]


def test_semiuri() -> None:
    """A semicolon before the @ belongs to the user part."""
    message = request_of("semiuri")
    assert message.request_uri.user_text == "user;par=u@example.net"
    assert message.request_uri.params == {}
    assert message.headers.values("accept")[-1] == "message/sipfrag"


def test_transports() -> None:
    """Any token is a transport."""
    vias = [parse_via(value).transport for value in request_of("transports").headers.values("via")]
    assert vias == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_mpart01() -> None:
    """A binary body is framed by its length alone."""
    message = request_of("mpart01")
    assert len(message.body) == 553
    assert b"\x00" in message.body
    assert message.content_type == "multipart/mixed"
    assert message.branch == "z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-"


def test_reason_phrases() -> None:
    """A reason phrase may be any UTF-8, or empty."""
    assert response_of("unreason").reason.startswith("= 2**3 * 5**2 но сто")
    assert (response_of("noreason").status, response_of("noreason").reason) == (100, "")


def test_unknown_schemes() -> None:
    """A Request-URI of an unknown scheme is well formed but owed 416."""
    assert screen_any(request_of("unkscm")) == (416, ())
    assert screen_any(request_of("novelsc")) == (416, ())
    assert request_of("unksm2").to.uri == "isbn:2983792873"
    assert screen_any(request_of("semiuri")) is None


def test_option_tags_and_bodies() -> None:
    """What the application decides on can be read: Require, Content-Type, Accept, Max-Forwards, scheme."""
    required = request_of("bext01").headers.values("require")
    assert required == ["nothingSupportsThis", "nothingSupportsThisEither"]
    assert request_of("invut").content_type == "application/unknownformat"
    assert request_of("sdp01").headers.values("accept") == ["text/nobodyKnowsThis"]
    assert request_of("zeromf").max_forwards == 0
    assert (request_of("regaut01").headers.get("authorization") or "").startswith("NoOneKnowsThisScheme")


def test_contact_parameters() -> None:
    """A parameter inside the brackets is the URI's, one outside is the Contact's."""
    outside, inside = request_of("cparam01").contact, request_of("cparam02").contact
    assert outside is not None
    assert inside is not None
    assert (outside.uri, outside.params) == ("sip:+19725552222@gw1.example.net", {"unknownparam": None})
    assert (inside.uri, inside.params) == ("sip:+19725552222@gw1.example.net;unknownparam", {})


def test_regescrt() -> None:
    """Headers of a Contact URI are kept as they came."""
    contact = request_of("regescrt").contact
    assert contact is not None
    assert contact.uri == "sip:user@example.com?Route=%3Csip:sip.example.com%3E"


def test_inv2543() -> None:
    """An RFC 2543 request has neither branch, tag nor length; its body is the rest of the datagram."""
    message = request_of("inv2543")
    assert (message.branch, message.from_tag, message.max_forwards) == (None, None, None)
    assert message.body.startswith(b"v=0")
    assert message.body.endswith(b"m=audio 49217 RTP/AVP 0\r\n")


def test_bcast() -> None:
    """The Vias of a response are readable, so that one routed to broadcast can be discarded."""
    vias = [parse_via(value).host for value in response_of("bcast").headers.values("via")]
    assert vias == ["192.0.2.198", "255.255.255.255"]


def test_ports_behind_ipv6() -> None:
    """Only digits behind the bracket are a port."""
    ambiguous, clear = request_of("port-ambiguous"), request_of("port-unambiguous")
    assert (ambiguous.request_uri.host, ambiguous.request_uri.port) == ("[2001:db8::10:5070]", None)
    assert (clear.request_uri.host, clear.request_uri.port) == ("[2001:db8::10]", 5070)


def test_received_with_and_without_brackets() -> None:
    """An IPv6 address in `received` is read with and without brackets."""
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        assert request_of(name).via.received == "2001:db8::9:255"


def test_mixed_addresses() -> None:
    """IPv4, IPv6 and mapped addresses stand side by side in Vias."""
    assert request_of("mult-ip-in-header").via.port == 6050
    assert request_of("ipv4-mapped-ipv6").via.host == "[::ffff:192.0.2.10]"
    assert request_of("ipv6-bug-abnf-3-colons").request_uri.host == "[2001:db8:::192.0.2.1]"


def _framed(name: str) -> Callable[[], list[Message]]:
    framer = StreamFramer()
    return lambda: framer.feed(BY_NAME[name].data)


@pytest.mark.parametrize("name", ["ncl", "mcl01"])
def test_stream_cannot_be_framed(name: str) -> None:
    """On a stream a wrong length ends the connection, with a 400 that can still be sent."""
    feed = _framed(name)
    with pytest.raises(ParseError) as caught:
        feed()
    assert caught.value.status == 400
    assert caught.value.partial is not None
    assert feed() == []


def test_stream_waits_for_the_rest() -> None:
    """On a stream a body shorter than announced is waited for, and is a fault when the stream ends."""
    framer = StreamFramer()
    assert framer.feed(BY_NAME["clerr"].data) == []
    fault = framer.close()
    assert fault is not None
    assert fault.status == 400
    assert fault.partial is not None
