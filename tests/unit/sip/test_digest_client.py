"""Answers to challenges, judged by the side that challenges."""

from __future__ import annotations

import pytest

from switchboard.sip.digest import Challenger, Verdict, ha1, parse_credentials
from switchboard.sip.digest_client import MAX_REALMS, MAX_STALE, DigestClient
from switchboard.sip.message import Response, parse_datagram
from switchboard.sip.outgoing import OutgoingRequest

KEY = b"0123456789abcdef"
REALM = "carrier.example"
URI = "sip:carrier.example"
LINES = ("Contact: <sip:we@192.0.2.1>",)


def response(status: int, *challenges: str) -> Response:
    """A challenge as it comes over the wire."""
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    lines = [
        f"SIP/2.0 {status} No",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From: <sip:a@b>;tag=1",
        "To: <sip:a@b>;tag=2",
        "Call-ID: 1",
        "CSeq: 1 REGISTER",
        *(f"{name}: {value}" for value in challenges),
        "Content-Length: 0",
    ]
    message = parse_datagram("\r\n".join([*lines, "", ""]).encode())
    assert isinstance(message, Response)
    return message


def request(headers: tuple[str, ...] = LINES, method: str = "REGISTER") -> OutgoingRequest:
    """A request as it was sent."""
    return OutgoingRequest(
        method, URI, ("192.0.2.9", 5060), from_="<sip:a@b>;tag=1", to="<sip:a@b>", call_id="1", cseq=1, headers=headers
    )


class Peer:
    """A registrar that knows one account."""

    def __init__(self, realm: str = REALM, password: str = "secret") -> None:
        self.challenger = Challenger(realm, KEY)
        self.realm = realm
        self.password = password
        self.salt = 0

    def challenge(self, now: float = 0.0, *, stale: bool = False) -> list[str]:
        """A new one, each with a nonce of its own."""
        self.salt += 1
        return self.challenger.challenge(now, f"s{self.salt}", stale=stale)

    def judge(self, line: str, now: float = 0.0, method: str = "REGISTER") -> Verdict:
        """What it thinks of a header line."""
        value = line.partition(": ")[2]
        return self.challenger.check(value, method, URI, lambda u, a: ha1(u, self.realm, self.password, a), now)


@pytest.mark.parametrize(("status", "field"), [(401, "Authorization"), (407, "Proxy-Authorization")])
@pytest.mark.parametrize("kept", [0, 1])
def test_a_challenge_is_answered_where_its_status_says(status: int, field: str, kept: int) -> None:
    """SHA-256 where it is offered, MD5 where it stands alone; the other lines stay."""
    peer, client = Peer(), DigestClient("we", "secret")
    lines = client.retry(response(status, *peer.challenge()[kept:]), request(), "c0")
    assert lines is not None
    assert lines[:-1] == LINES
    assert lines[-1].startswith(f"{field}: Digest ")
    assert parse_credentials(lines[-1].partition(": ")[2]).algorithm == ("SHA-256", "MD5")[kept]
    assert peer.judge(lines[-1]) is Verdict.OK


def test_a_wrong_password_is_tried_once() -> None:
    """The second challenge of the same kind ends it; a later request begins anew."""
    peer, client = Peer(), DigestClient("we", "wrong")
    lines = client.retry(response(401, *peer.challenge()), request(), "c0")
    assert lines is not None
    assert peer.judge(lines[-1]) is Verdict.WRONG
    assert client.retry(response(401, *peer.challenge()), request(lines), "c1") is None
    assert client.headers("REGISTER", URI, "c2") == ()


def test_a_later_request_brings_its_answer_with_the_next_count() -> None:
    """The nonce is used again, counted; when it is refused as too old a new one is taken."""
    peer, client = Peer(), DigestClient("we", "secret")
    lines = client.retry(response(401, *peer.challenge()), request(), "c0")
    assert lines is not None
    assert peer.judge(lines[-1]) is Verdict.OK
    for count in (2, 3):
        (line,) = client.headers("REGISTER", URI, "c1")
        assert f"nc=0000000{count}" in line
        assert peer.judge(line) is Verdict.OK
    (line,) = client.headers("REGISTER", URI, "c2")
    assert peer.judge(line, now=1000.0) is Verdict.STALE
    lines = client.retry(response(401, *peer.challenge(1000.0, stale=True)), request((*LINES, line)), "c3")
    assert lines is not None
    assert "nc=00000001" in lines[-1]
    assert len(lines) == len(LINES) + 1
    assert peer.judge(lines[-1], now=1000.0) is Verdict.OK


def test_a_nonce_that_may_be_used_once_is_replaced_without_stale() -> None:
    """A used nonce that is refused says nothing of the password."""
    peer, client = Peer(), DigestClient("we", "secret")
    assert client.retry(response(401, *peer.challenge()), request(), "c0") is not None
    used = client.headers("REGISTER", URI, "c1")
    lines = client.retry(response(401, *peer.challenge()), request(used), "c2")
    assert lines is not None
    assert peer.judge(lines[-1]) is Verdict.OK


def test_stale_is_believed_a_few_times_only() -> None:
    """A peer that calls each nonce stale as soon as it is used does not keep us busy for ever."""
    peer, client = Peer(), DigestClient("we", "secret")
    lines = client.retry(response(401, *peer.challenge()), request(), "c")
    rounds = 0
    while lines is not None:
        rounds += 1
        lines = client.retry(response(401, *peer.challenge(stale=True)), request(lines), "c")
    assert rounds == MAX_STALE + 1


@pytest.mark.parametrize("stale", [False, True])
def test_a_nonce_that_is_asked_for_again_and_again(stale: bool) -> None:
    """A used nonce that is refused and given once more, as after a change of password, does not go round for ever."""
    peer, client = Peer(), DigestClient("we", "secret")
    challenge = peer.challenge(stale=stale)
    assert client.retry(response(401, *challenge), request(), "c0") is not None
    lines: tuple[str, ...] | None = client.headers("REGISTER", URI, "c1")
    rounds = 0
    while lines is not None and rounds < 50:
        rounds += 1
        lines = client.retry(response(401, *challenge), request(lines), "c")
    assert rounds <= MAX_STALE + 1


def test_proxies_on_the_way_are_answered_each() -> None:
    """RFC 3665 §3.3: the second proxy's 407 is answered beside that of the first, with its next count."""
    one, other, client = Peer("one"), Peer("other"), DigestClient("we", "secret")
    lines = client.retry(response(407, *one.challenge()), request(method="INVITE"), "c0")
    assert lines is not None
    assert one.judge(lines[-1], method="INVITE") is Verdict.OK
    lines = client.retry(response(407, *other.challenge()), request(lines, "INVITE"), "c1")
    assert lines is not None
    first, second = lines[-2:]
    assert one.judge(first, method="INVITE") is Verdict.OK
    assert other.judge(second, method="INVITE") is Verdict.OK


def test_both_kinds_stand_beside_each_other() -> None:
    """A proxy's 407, then the far end's 401."""
    proxy, end, client = Peer("proxy"), Peer("end"), DigestClient("we", "secret")
    lines = client.retry(response(407, *proxy.challenge()), request(), "c0")
    assert lines is not None
    lines = client.retry(response(401, *end.challenge()), request(lines), "c1")
    assert lines is not None
    assert [line.partition(":")[0] for line in lines[-2:]] == ["Proxy-Authorization", "Authorization"]
    assert proxy.judge(lines[-2]) is Verdict.OK
    assert end.judge(lines[-1]) is Verdict.OK


def test_no_end_of_realms() -> None:
    """Peers that invent realm after realm are given up, and not remembered."""
    client, lines = DigestClient("we", "secret"), LINES
    for number in range(MAX_REALMS):
        found = client.retry(response(407, Peer(f"r{number}").challenge()[0]), request(lines), "c")
        assert found is not None
        lines = found
    assert client.retry(response(407, Peer("more").challenge()[0]), request(lines), "c") is None
    assert len(client.headers("INVITE", URI, "c")) <= MAX_REALMS


@pytest.mark.parametrize(
    "challenges",
    [
        (),
        ("Basic realm=x",),
        ("Digest realm=",),
        ('Digest realm="carrier.example", nonce="n", qop="auth-int"',),
        ('Digest realm="carrier.example", nonce="n", algorithm=MD4',),
        ('Digest realm="somebody else", nonce="n"',),
    ],
)
def test_what_cannot_or_may_not_be_answered(challenges: tuple[str, ...]) -> None:
    """No Digest, unknown algorithms, and other realms than the configured one get no hash of the password."""
    client = DigestClient("we", "secret", realm=REALM)
    assert client.retry(response(401, *challenges), request(), "c") is None


def test_other_statuses_are_none_of_its_business() -> None:
    """A 403 is not answered."""
    assert DigestClient("we", "secret").retry(response(403), request(), "c") is None


def test_a_challenge_without_qop_is_good_once() -> None:
    """RFC 2069 style: no count, so nothing is sent unasked."""
    client = DigestClient("we", "secret")
    challenge = 'Digest realm="carrier.example", nonce="n1"'
    lines = client.retry(response(401, challenge), request(), "c")
    assert lines is not None
    assert "nc=" not in lines[-1]
    assert client.headers("REGISTER", URI, "c") == ()
    assert client.retry(response(401, challenge), request(lines), "c") is None


def test_the_password_is_not_shown() -> None:
    """Printed it tells the user only."""
    assert repr(DigestClient("we", "secret")) == "<DigestClient 'we'>"
