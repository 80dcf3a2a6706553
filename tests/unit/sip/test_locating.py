"""Where servers are, by the steps of RFC 3263 §4 and the order of RFC 2782."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.sip.flow import on_transport, transport_of
from switchboard.sip.locating import (
    Answers,
    Choice,
    Kind,
    Means,
    Naptr,
    Place,
    Question,
    Ranks,
    Record,
    Srv,
    in_order,
    locate,
    named_place,
    place_of,
)
from switchboard.sip.outgoing import Address
from switchboard.sip.uri import parse_uri

ALL: Means = {"udp": ("AAAA", "A"), "tcp": ("AAAA", "A"), "tls": ("AAAA", "A")}
UDP_ONLY: Means = {"udp": ("A",)}

# The records of RFC 3263 §4.1's example, and some of a domain without NAPTR.
ZONE: Mapping[tuple[str, Kind], tuple[Record, ...]] = {
    ("example.com", "NAPTR"): (
        Naptr(90, 50, "s", "SIP+D2T", "", "_sip._tcp.example.com"),
        Naptr(100, 50, "s", "SIP+D2U", "", "_sip._udp.example.com"),
        Naptr(50, 50, "s", "SIPS+D2T", "", "_sips._tcp.example.com"),
    ),
    ("_sip._tcp.example.com", "SRV"): (
        Srv(0, 1, 5060, "server1.example.com"),
        Srv(0, 2, 5060, "server2.example.com"),
    ),
    ("_sip._udp.example.com", "SRV"): (Srv(10, 0, 5080, "server2.example.com"), Srv(0, 0, 5070, "server1.example.com")),
    ("_sips._tcp.example.com", "SRV"): (Srv(0, 0, 5061, "server1.example.com"),),
    ("server1.example.com", "A"): ("192.0.2.1",),
    ("server2.example.com", "A"): ("192.0.2.2", "192.0.2.3"),
    ("server2.example.com", "AAAA"): ("2001:db8::2",),
    ("example.com", "A"): ("192.0.2.9",),
    ("srvonly.example", "A"): ("192.0.2.8",),
    ("_sip._tcp.srvonly.example", "SRV"): (Srv(0, 0, 5090, "server1.example.com"),),
    ("plain.example", "A"): ("192.0.2.7",),
    ("absent.example", "A"): ("192.0.2.6",),
    ("_sip._udp.absent.example", "SRV"): (Srv(0, 0, 0, ""),),
    ("even.example", "NAPTR"): (
        Naptr(10, 20, "S", "sip+d2u", "", "_sip._udp.example.com."),
        Naptr(10, 10, "s", "SIP+D2T", "", "_sip._tcp.srvonly.example"),
        Naptr(20, 0, "s", "SIPS+D2T", "", "_sips._tcp.example.com"),
    ),
    ("odd.example", "NAPTR"): (
        Naptr(1, 1, "s", "SIP+D2S", "", "_sip._sctp.example.com"),
        Naptr(2, 1, "u", "E2U+sip", "!^.*$!sip:info@example.com!", ""),
        Naptr(3, 1, "s", "SIP+D2U", "!^.*$!x!", "_sip._udp.example.com"),
    ),
    ("odd.example", "A"): ("192.0.2.5",),
    ("twice.example", "A"): ("192.0.2.6", "192.0.2.7", "192.0.2.6"),
}


def answered(place: Place, means: Means = ALL, zone: Mapping[tuple[str, Kind], tuple[Record, ...]] = ZONE) -> Ranks:
    """Ask the zone until nothing is missing."""
    answers: dict[Question, tuple[Record, ...]] = {}
    for _ in range(8):
        found = locate(place, answers, means)
        if isinstance(found, tuple):
            return found
        answers.update({question: zone.get((question.name, question.kind), ()) for question in found})
    raise AssertionError("it never has enough")


def addresses(uri: str, means: Means = ALL) -> list[Address]:
    """In what order a URI's servers are tried when each draw gives 0."""
    return list(in_order(answered(place_of(parse_uri(uri)), means), lambda most: 0))


S1, S2 = ["192.0.2.1"], ["2001:db8::2", "192.0.2.2", "192.0.2.3"]


def udp(port: int, *hosts: str) -> list[Address]:
    """Places on UDP."""
    return [(host, port) for host in hosts]


def tcp(port: int, *hosts: str) -> list[Address]:
    """Places on TCP."""
    return [on_transport((host, port), "tcp") for host in hosts]


def tls(port: int, *hosts: str) -> list[Address]:
    """Places on TLS."""
    return [on_transport((host, port), "tls") for host in hosts]


CASES: list[tuple[str, Means, list[Address]]] = [
    # An address is what it is (§4.1, §4.2).
    ("sip:1@192.0.2.50", ALL, udp(5060, "192.0.2.50")),
    ("sip:1@192.0.2.50:5075", ALL, udp(5075, "192.0.2.50")),
    ("sip:1@twice.example:5075", ALL, udp(5075, "192.0.2.6", "192.0.2.7")),
    ("sip:1@[2001:db8::5]", ALL, udp(5060, "2001:db8::5")),
    ("sips:1@192.0.2.50", ALL, tls(5061, "192.0.2.50")),
    ("sip:1@192.0.2.50;transport=TCP", ALL, tcp(5060, "192.0.2.50")),
    ("sip:1@192.0.2.50;transport=tls", ALL, tls(5061, "192.0.2.50")),
    ("sips:1@192.0.2.50:5099;transport=tcp", ALL, tls(5099, "192.0.2.50")),
    ("sips:1@192.0.2.50;transport=udp", ALL, []),
    ("sip:1@192.0.2.50;transport=sctp", ALL, []),
    ("sip:1@192.0.2.50;transport=tcp", UDP_ONLY, []),
    ("sips:1@192.0.2.50", UDP_ONLY, []),
    # maddr takes the place of the host (§4).
    ("sip:1@example.com;maddr=192.0.2.51", ALL, udp(5060, "192.0.2.51")),
    ("sip:1@example.com:5077;maddr=server1.example.com", ALL, udp(5077, *S1)),
    # A port: address records only, UDP or TLS by the scheme (§4.1, §4.2).
    ("sip:1@server2.example.com:5066", ALL, udp(5066, *S2)),
    ("sip:1@server2.example.com:5066", UDP_ONLY, udp(5066, "192.0.2.2", "192.0.2.3")),
    ("sips:1@server1.example.com:5067", ALL, tls(5067, *S1)),
    ("sip:1@server1.example.com:5067;transport=tcp", ALL, tcp(5067, *S1)),
    # A transport, no port: the SRV records of that transport, else addresses (§4.2).
    ("sip:1@example.com;transport=udp", ALL, [*udp(5070, *S1), *udp(5080, *S2)]),
    ("sip:1@EXAMPLE.com.;transport=tcp", ALL, [*tcp(5060, *S1), *tcp(5060, *S2)]),
    ("sip:1@example.com;transport=tls", ALL, tls(5061, *S1)),
    ("sip:1@plain.example;transport=tcp", ALL, tcp(5060, "192.0.2.7")),
    ("sip:1@plain.example;transport=tls", ALL, tls(5061, "192.0.2.7")),
    # Neither: NAPTR; the lowest order that we can use, and of that all preferences (§4.1).
    ("sip:1@example.com", ALL, tls(5061, *S1)),
    ("sip:1@example.com", {"udp": ("A",), "tcp": ("A",)}, [*tcp(5060, "192.0.2.1"), *tcp(5060, *S2[1:])]),
    ("sip:1@example.com", UDP_ONLY, [*udp(5070, "192.0.2.1"), *udp(5080, *S2[1:])]),
    ("sips:1@example.com", ALL, tls(5061, *S1)),
    ("sip:1@even.example", ALL, [*tcp(5090, *S1), *udp(5070, *S1), *udp(5080, *S2)]),
    ("sips:1@even.example", ALL, tls(5061, *S1)),
    # NAPTR of other services, with other flags or an expression are none; then SRV, then addresses (§4.1).
    ("sip:1@odd.example", ALL, udp(5060, "192.0.2.5")),
    ("sip:1@srvonly.example", ALL, tcp(5090, *S1)),
    ("sip:1@srvonly.example", UDP_ONLY, udp(5060, "192.0.2.8")),
    ("sip:1@plain.example", ALL, udp(5060, "192.0.2.7")),
    ("sips:1@plain.example", ALL, tls(5061, "192.0.2.7")),
    # The root as target: the service is decidedly not there (RFC 2782).
    ("sip:1@absent.example;transport=udp", ALL, []),
    ("sip:1@absent.example", ALL, []),
    ("sip:1@nowhere.example", ALL, []),
]


class TestSteps:
    """RFC 3263 §4.1 and §4.2."""

    @pytest.mark.parametrize(("uri", "means", "expected"), CASES)
    def test_a_uri_leads_to_these_places_in_this_order(self, uri: str, means: Means, expected: list[Address]) -> None:
        """Each row is one branch of the RFC's text."""
        assert addresses(uri, means) == expected

    def test_only_what_is_needed_is_asked(self) -> None:
        """An address asks nothing, a port only addresses, a name NAPTR first."""
        assert locate(named_place("192.0.2.1:5060"), {}, ALL) == ((Choice(0, (("192.0.2.1", 5060),)),),)
        assert locate(named_place("[2001:DB8:0::1]:5060"), {}, ALL) == ((Choice(0, (("2001:db8::1", 5060),)),),)
        with_port = locate(named_place("a.example:5060"), {}, ALL)
        assert with_port == {Question("a.example", "AAAA"), Question("a.example", "A")}
        assert locate(named_place("a.example"), {}, UDP_ONLY) == {Question("a.example", "NAPTR")}
        assert locate(named_place("a.example", "tls"), {}, ALL) == {Question("_sips._tcp.a.example", "SRV")}

    @pytest.mark.parametrize("text", ["", ":5060", "a.example:", "a.example:0", "a.example:65536", "a.example:x"])
    def test_what_is_no_place_is_refused(self, text: str) -> None:
        """The text of a configuration is checked by it."""
        with pytest.raises(ValueError, match="is no host"):
            named_place(text)

    def test_addresses_of_ipv6_stand_with_and_without_brackets(self) -> None:
        """With a port the brackets are needed."""
        assert named_place("[2001:db8::1]:5070") == Place("2001:db8::1", 5070)
        assert named_place("2001:db8::1") == Place("2001:db8::1")
        assert named_place("[2001:db8::1]") == Place("2001:db8::1")


RANK = (Choice(0, (("0.0.0.1", 1),)), Choice(10, (("0.0.0.2", 1),)), Choice(30, (("0.0.0.3", 1),)))


class TestWeights:
    """RFC 2782: "Weight"."""

    @pytest.mark.parametrize(("number", "first"), [(0, 1), (1, 2), (10, 2), (11, 3), (40, 3)])
    def test_the_number_drawn_chooses_by_the_running_sum(self, number: int, first: int) -> None:
        """The sums are 0, 10 and 40; the first that reaches the number is taken."""
        tried = in_order((RANK,), lambda most: min(number, most))
        assert tried[0] == (f"0.0.0.{first}", 1)
        assert len(tried) == 3

    def test_load_is_spread_by_weight(self) -> None:
        """Of 4,000 requests about a quarter and three quarters, and hardly any to weight 0."""
        source = random.Random(1)
        firsts = Counter(in_order((RANK,), lambda most: source.randint(0, most))[0][0] for _ in range(4000))
        assert firsts["0.0.0.1"] < 200
        assert 800 < firsts["0.0.0.2"] < 1200
        assert 2700 < firsts["0.0.0.3"] < 3300


NAMES = st.sampled_from(["a.test", "b.test", "_sip._udp.a.test", "_sip._tcp.a.test", "_sips._tcp.b.test", ""])
NUMBERS = st.integers(0, 3)
RECORDS = st.one_of(
    st.builds(
        Naptr,
        NUMBERS,
        NUMBERS,
        st.sampled_from(["s", "S", "a", "u", ""]),
        st.sampled_from(["SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIP+D2S"]),
        st.sampled_from(["", "!x!y!"]),
        NAMES,
    ),
    st.builds(Srv, NUMBERS, NUMBERS, st.integers(0, 65535), NAMES),
    st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
)
QUESTIONS = st.builds(Question, NAMES, st.sampled_from(["NAPTR", "SRV", "A", "AAAA"]))
PLACES = st.builds(
    Place,
    st.sampled_from(["a.test", "b.test", "192.0.2.3"]),
    st.one_of(st.none(), st.integers(1, 65535)),
    st.sampled_from(["", "udp", "tcp", "tls", "sctp"]),
    st.booleans(),
)
MEANS = st.dictionaries(
    st.sampled_from(["udp", "tcp", "tls"]), st.sampled_from([("A",), ("AAAA",), ("AAAA", "A")]), max_size=3
)


class TestProperties:
    """Whatever a zone holds."""

    @given(PLACES, st.dictionaries(QUESTIONS, st.lists(RECORDS, max_size=4).map(tuple)), MEANS, st.randoms())
    def test_any_zone_leads_to_an_end(self, place: Place, zone: Answers, means: Means, source: random.Random) -> None:
        """Four rounds of questions are enough; what is found fits what we have and what was asked for."""
        answers: dict[Question, tuple[Record, ...]] = {}
        for _ in range(5):
            found = locate(place, answers, means)
            if isinstance(found, tuple):
                break
            assert not found & answers.keys()
            answers.update({question: zone.get(question, ()) for question in found})
        assert isinstance(found, tuple)
        tried = in_order(found, lambda most: source.randint(0, most))
        assert len(set(tried)) == len(tried)
        for address in tried:
            transport = transport_of(address)
            assert transport in means
            assert not place.secure or transport == "tls"
            assert not place.transport or place.secure or transport == place.transport

    @given(
        st.lists(st.lists(NUMBERS, min_size=1, max_size=4), max_size=4),
        st.randoms(),
    )
    def test_no_server_is_lost_and_ranks_stay_in_order(self, weights: list[list[int]], source: random.Random) -> None:
        """Each is tried once, and none before those of a better rank."""
        ranks = tuple(
            tuple(Choice(weight, ((f"10.0.{i}.{j}", 5060),)) for j, weight in enumerate(rank))
            for i, rank in enumerate(weights)
        )
        tried = in_order(ranks, lambda most: source.randint(0, most))
        assert len(tried) == sum(map(len, weights))
        order = [int(host.split(".")[2]) for host, _ in tried]
        assert order == sorted(order)
