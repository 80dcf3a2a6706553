"""Digest authentication, server and client side."""

from __future__ import annotations

import pytest

from switchboard.sip.digest import (
    Challenger,
    Credentials,
    Verdict,
    _digest,
    answer,
    can_answer,
    ha1,
    parse_credentials,
    pick,
    response_of,
)
from switchboard.sip.errors import LocalError, ParseError, ProtocolError

KEY = b"0123456789abcdef"
URI = "sip:switchboard.local"
PASSWORDS = {"alice": "secret", 'do"main\\bob': "pässword"}


def stored(user: str, algorithm: str) -> str | None:
    """Look a user up as an account store would."""
    password = PASSWORDS.get(user)
    return None if password is None else ha1(user, "switchboard.local", password, algorithm)


@pytest.fixture
def challenger() -> Challenger:
    """A challenger that remembers no more than three used nonces."""
    return Challenger("switchboard.local", KEY, nonce_lifetime=300.0, max_nonces=3)


def reply(
    challenge: str, *, user: str = "alice", password: str = "secret", nc: int = 1, method: str = "REGISTER"
) -> str:
    """Answer a challenge as a telephone would."""
    return answer(challenge, method, URI, user, password=password, cnonce="0a4f113b", nc=nc)


class TestVectors:
    """Examples printed in RFCs."""

    RFC_7616 = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )

    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_rfc_7616_3_9_1(self, algorithm: str, expected: str) -> None:
        """Both answers of RFC 7616 §3.9.1 come out, with every directive of the example."""
        value = answer(
            self.RFC_7616.format(algorithm),
            "GET",
            "/dir/index.html",
            "Mufasa",
            password="Circle of Life",
            cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
        fields = parse_credentials(value)
        assert fields.get("response") == expected
        assert (fields.get("qop"), fields.get("nc"), fields.get("algorithm")) == ("auth", "00000001", algorithm)
        assert fields.get("opaque") == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
        assert "qop=auth, nc=00000001" in value

    def test_rfc_2617_3_5(self) -> None:
        """The example of RFC 2617 §3.5 comes out, without an algorithm as it was asked."""
        challenge = (
            'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        )
        value = answer(challenge, "GET", "/dir/index.html", "Mufasa", password="Circle Of Life", cnonce="0a4f113b")
        assert parse_credentials(value).get("response") == "6629fae49393a05397450978507c4ef1"
        assert "algorithm" not in value

    def test_rfc_2069(self) -> None:
        """The example of RFC 2069 §2.4 as corrected comes out: no qop, no cnonce, no count."""
        challenge = (
            'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        )
        value = answer(challenge, "GET", "/dir/index.html", "Mufasa", password="CircleOfLife", cnonce="x")
        assert parse_credentials(value).get("response") == "1949323746fe6a43ef61f9606e7febea"
        assert not any(name in value for name in ("cnonce", "qop", "nc="))

    def test_sha_512_256(self) -> None:
        """SHA-512-256 is the hash of FIPS 180-4, whose example "abc" it gives, not a cut SHA-512."""
        assert _digest("abc", "SHA-512-256") == "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"


class TestRoundTrip:
    """A telephone answers our challenge."""

    @pytest.mark.parametrize("which", [0, 1])
    @pytest.mark.parametrize("user", list(PASSWORDS))
    def test_right_password(self, challenger: Challenger, which: int, user: str) -> None:
        """Both algorithms let the owner in, whatever characters the name has."""
        challenge = challenger.challenge(10.0, "salt")[which]
        value = reply(challenge, user=user, password=PASSWORDS[user])
        assert challenger.check(value, "REGISTER", URI, stored, 10.5) is Verdict.OK

    def test_challenge(self, challenger: Challenger) -> None:
        """SHA-256 is offered before MD5, both with the same nonce, and stale only on demand."""
        first, second = map(parse_credentials, challenger.challenge(10.0, "salt"))
        assert (first.algorithm, second.algorithm) == ("SHA-256", "MD5")
        assert first.get("nonce") == second.get("nonce")
        assert (first.get("realm"), first.get("qop"), first.get("stale")) == ("switchboard.local", "auth", "")
        assert parse_credentials(challenger.challenge(10.0, "salt", stale=True)[0]).get("stale") == "true"

    def test_nonces_differ(self, challenger: Challenger) -> None:
        """Time, salt, realm and key all change the nonce."""
        others = [
            Challenger("other", KEY).challenge(10.0, "salt"),
            Challenger("switchboard.local", KEY + b"x").challenge(10.0, "salt"),
            challenger.challenge(10.001, "salt"),
            challenger.challenge(10.0, "pepper"),
            challenger.challenge(10.0, "salt"),
        ]
        assert len({parse_credentials(values[0]).get("nonce") for values in others}) == 5

    @pytest.mark.parametrize(
        ("changes", "verdict"),
        [
            ({"password": "Secret"}, Verdict.WRONG),
            ({"user": "nobody"}, Verdict.WRONG),
            ({"user": "nobody", "password": ""}, Verdict.WRONG),
            ({"method": "INVITE"}, Verdict.WRONG),
        ],
    )
    def test_wrong(self, challenger: Challenger, changes: dict[str, str], verdict: Verdict) -> None:
        """A wrong password, name or method is WRONG, and nothing is remembered of it."""
        value = reply(challenger.challenge(10.0, "salt")[0], **changes)  # type: ignore[arg-type]
        assert challenger.check(value, "REGISTER", URI, stored, 10.5) is verdict
        assert len(challenger) == 0

    def test_unknown_user_cannot_be_told(self, challenger: Challenger) -> None:
        """The stand-in for an unknown user's secret does not let anybody in."""
        challenge = challenger.challenge(10.0, "salt")[0]
        value = answer(challenge, "REGISTER", URI, "nobody", ha1="0" * 64, cnonce="x")
        assert challenger.check(value, "REGISTER", URI, stored, 10.5) is Verdict.WRONG

    def test_unknown_user_costs_the_same_work(self, challenger: Challenger, monkeypatch: pytest.MonkeyPatch) -> None:
        """As many hashes are made for an unknown user as for a wrong password, so time tells nothing."""
        made: list[str] = []

        def counted(text: str, algorithm: str) -> str:
            made.append(algorithm)
            return _digest(text, algorithm)

        monkeypatch.setattr("switchboard.sip.digest._digest", counted)
        secret = ha1("alice", "switchboard.local", "secret", "SHA-256")
        costs = []
        for user in ("alice", "nobody"):
            value = reply(challenger.challenge(10.0, "salt")[0], user=user, password="wrong")
            made.clear()
            accounts = {"alice": secret}
            challenger.check(value, "REGISTER", URI, lambda name, _, of=accounts: of.get(name), 10.5)  # type: ignore[misc]
            costs.append(len(made))
        assert costs == [2, 2]

    def test_other_uri(self, challenger: Challenger) -> None:
        """Credentials made for another URI are WRONG, for an equivalent one they are good."""
        value = reply(challenger.challenge(10.0, "salt")[0])
        assert challenger.check(value, "REGISTER", "sip:other.local", stored, 10.5) is Verdict.WRONG
        assert challenger.check(value, "REGISTER", "not a uri", stored, 10.5) is Verdict.WRONG
        assert challenger.check(value, "REGISTER", "SIP:SwitchBoard.local", stored, 10.5) is Verdict.OK

    def test_an_uri_without_a_user(self, challenger: Challenger) -> None:
        """RFC 3261 §22.4: it need only be the server that is asked; another user's is another request's."""
        value = reply(challenger.challenge(10.0, "salt")[0])
        there = "switchboard.local"
        for uri in ("sip:bob@other.local", f"sips:bob@{there}", f"sip:bob@{there}:5070", "sip:%%@", "tel:+861065"):
            assert challenger.check(value, "REGISTER", uri, stored, 10.5) is Verdict.WRONG
        assert challenger.check(value, "REGISTER", f"sip:bob@{there};user=phone", stored, 10.5) is Verdict.OK
        value = answer(
            challenger.challenge(11.0, "more")[0], "INVITE", f"sip:anna@{there}", "alice", cnonce="c", password="secret"
        )
        assert challenger.check(value, "INVITE", f"sip:bob@{there}", stored, 11.5) is Verdict.WRONG
        assert challenger.check(value, "INVITE", f"sip:{there}", stored, 11.5) is Verdict.WRONG

    def test_other_realm_and_scheme(self, challenger: Challenger) -> None:
        """Credentials for another realm or of another scheme are WRONG: a new challenge is owed."""
        value = reply(Challenger("elsewhere", KEY).challenge(10.0, "salt")[0])
        assert challenger.check(value, "REGISTER", URI, stored, 10.5) is Verdict.WRONG
        assert challenger.check("Basic YTpi", "REGISTER", URI, stored, 10.5) is Verdict.WRONG
        assert challenger.check("", "REGISTER", URI, stored, 10.5) is Verdict.WRONG


class TestNonces:
    """Expiry and replay."""

    @pytest.mark.parametrize(
        ("now", "verdict"),
        [(10.0, Verdict.OK), (309.9, Verdict.OK), (310.1, Verdict.STALE), (9.0, Verdict.STALE), (0.0, Verdict.STALE)],
    )
    def test_lifetime(self, challenger: Challenger, now: float, verdict: Verdict) -> None:
        """A nonce is good for its lifetime, and not before it was issued (the clock of an earlier run)."""
        value = reply(challenger.challenge(10.0, "salt")[0])
        assert challenger.check(value, "REGISTER", URI, stored, now) is verdict

    @pytest.mark.parametrize("nonce", ["1.2.3", "x", "zz.salt." + "0" * 32, "é\udcff"])
    def test_foreign_nonce(self, challenger: Challenger, nonce: str) -> None:
        """A nonce that is not ours is STALE for the right password and WRONG for any other."""
        challenge = f'Digest realm="switchboard.local", nonce="{nonce}", algorithm=MD5, qop="auth"'
        assert challenger.check(reply(challenge), "REGISTER", URI, stored, 10.5) is Verdict.STALE
        wrong = reply(challenge, password="x")
        assert challenger.check(wrong, "REGISTER", URI, stored, 10.5) is Verdict.WRONG

    def test_tampered_nonce(self, challenger: Challenger) -> None:
        """A nonce whose time was moved is not ours any more."""
        challenge = challenger.challenge(10.0, "salt")[0]
        moved = challenge.replace('nonce="2710.', 'nonce="ffffff.')
        assert moved != challenge
        assert challenger.check(reply(moved), "REGISTER", URI, stored, 10.5) is Verdict.STALE

    def test_counts(self, challenger: Challenger) -> None:
        """Each count is good once; late ones are taken within a window of 32."""
        challenge = challenger.challenge(10.0, "salt")[0]

        def verdict(nc: int) -> Verdict:
            return challenger.check(reply(challenge, nc=nc), "REGISTER", URI, stored, 11.0)

        ok, replay = Verdict.OK, Verdict.REPLAY
        assert [verdict(nc) for nc in (1, 1, 2, 5, 4, 4, 2, 3)] == [ok, replay, ok, ok, ok, replay, replay, ok]
        assert [verdict(nc) for nc in (40, 9, 9, 8, 10, 5)] == [ok, ok, replay, replay, ok, replay]
        assert [verdict(nc) for nc in (0xFFFFFFFF, 0xFFFFFFFF, 41)] == [ok, replay, replay]
        assert len(challenger) == 1

    def test_without_qop_a_nonce_is_good_once(self, challenger: Challenger) -> None:
        """An RFC 2069 answer has no count, so its nonce is good for one request."""
        challenge = challenger.challenge(10.0, "salt")[1].replace(', qop="auth"', "")
        value = reply(challenge)
        assert "qop" not in value
        assert challenger.check(value, "REGISTER", URI, stored, 11.0) is Verdict.OK
        assert challenger.check(value, "REGISTER", URI, stored, 11.0) is Verdict.REPLAY

    def test_table_is_bounded_and_safe(self, challenger: Challenger) -> None:
        """What falls out of the table cannot be replayed, and what is in it keeps working."""
        replies = [reply(challenger.challenge(10.0 + i, "salt")[0]) for i in range(5)]
        for value in replies:
            assert challenger.check(value, "REGISTER", URI, stored, 15.0) is Verdict.OK
            assert len(challenger) <= 3
        assert [challenger.check(value, "REGISTER", URI, stored, 15.0) for value in replies] == [
            Verdict.STALE,
            Verdict.STALE,
            *[Verdict.REPLAY] * 3,
        ]
        unused = challenger.challenge(10.5, "other")[0]
        assert challenger.check(reply(unused), "REGISTER", URI, stored, 15.0) is Verdict.STALE
        fresh = challenger.challenge(11.5, "other")[0]
        assert challenger.check(reply(fresh), "REGISTER", URI, stored, 15.0) is Verdict.OK

    def test_least_recently_used_falls_out(self, challenger: Challenger) -> None:
        """A nonce in use stays in the table, one that is idle falls out."""
        challenges = [challenger.challenge(10.0 + i, "salt")[0] for i in range(4)]
        for challenge in challenges[:3]:
            challenger.check(reply(challenge), "REGISTER", URI, stored, 15.0)
        challenger.check(reply(challenges[0], nc=2), "REGISTER", URI, stored, 15.0)
        challenger.check(reply(challenges[3]), "REGISTER", URI, stored, 15.0)
        assert challenger.check(reply(challenges[0], nc=3), "REGISTER", URI, stored, 15.0) is Verdict.OK
        assert challenger.check(reply(challenges[1], nc=2), "REGISTER", URI, stored, 15.0) is Verdict.STALE


class TestMalformed:
    """Values that break the grammar or lack what an answer needs."""

    GOOD = (
        'Digest username="alice", realm="switchboard.local", nonce="n", uri="sip:h", response="00", algorithm=MD5, '
        'qop=auth, nc=00000001, cnonce="c"'
    )

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('username="alice"', 'nothing="x"'),
            ('nonce="n"', 'nonce=""'),
            ('uri="sip:h"', 'url="sip:h"'),
            ('realm="switchboard.local", ', ""),
            (', response="00"', ""),
            ("MD5", "SHA-1"),
            ("MD5", "MD5-sess"),
            ("qop=auth", "qop=auth-int"),
            ("qop=auth", 'qop=""'),
            ("nc=00000001", "nc=000000001"),
            ("nc=00000001", "nc=0000000g"),
            ("nc=00000001", "nc=00000000"),
            ("nc=00000001, ", ""),
            ('cnonce="c"', 'cnonce=""'),
            ("qop=auth", "qop=auth qop=auth"),
            ("nc=00000001", "nc=00000001, NC=00000002"),
            ('username="alice"', 'username="alice'),
            ("qop=auth", "=auth"),
        ],
    )
    def test_malformed(self, challenger: Challenger, old: str, new: str) -> None:
        """Each fault is MALFORMED; without it the same value is only WRONG."""
        value = self.GOOD.replace(old, new)
        assert value != self.GOOD
        assert challenger.check(value, "REGISTER", "sip:h", stored, 1.0) is Verdict.MALFORMED
        assert challenger.check(self.GOOD, "REGISTER", "sip:h", stored, 1.0) is Verdict.WRONG

    def test_a_count_without_its_zeros(self, challenger: Challenger) -> None:
        """It counts as if they were there, and is good once."""
        short = reply(challenger.challenge(0.5, "salt")[1]).replace("nc=00000001", "nc=1")
        fields = parse_credentials(short)
        expected = response_of(ha1("alice", "switchboard.local", "secret", "MD5"), "REGISTER", fields)
        short = short.replace(fields.get("response"), expected)
        assert challenger.check(short, "REGISTER", URI, stored, 1.0) is Verdict.OK
        assert challenger.check(short, "REGISTER", URI, stored, 1.0) is Verdict.REPLAY

    def test_odd_but_good(self, challenger: Challenger) -> None:
        """Case, white space, quotes where none belong and a trailing comma do no harm."""
        value = reply(challenger.challenge(10.0, "salt")[0])
        odd = value.replace("Digest ", "DIGEST   ").replace("qop=auth", 'QOP = "auth" ').replace("SHA-256", "sha-256")
        assert challenger.check(odd + ",", "REGISTER", URI, stored, 11.0) is Verdict.OK

    def test_response_in_capitals(self, challenger: Challenger) -> None:
        """Hexadecimal digits may be capitals."""
        value = reply(challenger.challenge(10.0, "salt")[0])
        response = parse_credentials(value).get("response")
        assert challenger.check(value.replace(response, response.upper()), "REGISTER", URI, stored, 11.0) is Verdict.OK

    @pytest.mark.parametrize("response", ["", "0" * 63, "\udcff" * 64, "é"])
    def test_response_of_any_octets(self, challenger: Challenger, response: str) -> None:
        """A response that is no hexadecimal number is refused without an exception."""
        value = self.GOOD.replace('response="00"', f'response="{response}"')
        expected = Verdict.MALFORMED if not response else Verdict.WRONG
        assert challenger.check(value, "REGISTER", "sip:h", stored, 1.0) is expected


class TestPick:
    """Several Authorization values."""

    def test_pick(self) -> None:
        """The value of our realm is found among others and rubbish."""
        values = ["Basic x", 'Digest realm="a', 'Digest realm="a", nonce="1"', 'Digest realm="b", nonce="2"']
        assert pick(values, "b") == values[3]
        assert pick(values, "c") is None
        assert pick([], "a") is None


class TestClient:
    """Answers to foreign challenges."""

    def test_session_variant(self) -> None:
        """A -sess algorithm binds the secret to nonce and cnonce, with and without qop."""
        for qop in (', qop="auth"', ""):
            challenge = f'Digest realm="r", nonce="n", algorithm=MD5-sess{qop}'
            value = answer(challenge, "INVITE", "sip:h", "u", password="p", cnonce="c")
            fields = parse_credentials(value)
            plain = Credentials("digest", {**fields.fields, "algorithm": "MD5"})
            secret = ha1(f"{ha1('u', 'r', 'p', 'MD5')}", "n", "c", "MD5")
            assert fields.get("response") == response_of(secret, "INVITE", plain)
            assert fields.get("cnonce") == "c"

    def test_stored_secret(self) -> None:
        """A stored H(A1) serves as well as the password."""
        challenge = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'
        secret = ha1("u", "r", "p", "SHA-256")
        assert answer(challenge, "INVITE", "sip:h", "u", ha1=secret, cnonce="c", nc=2) == answer(
            challenge, "INVITE", "sip:h", "u", password="p", cnonce="c", nc=2
        )

    @pytest.mark.parametrize(
        "challenge",
        [
            'Basic realm="r"',
            'Digest realm="r"',
            'Digest nonce="n"',
            'Digest realm="r", nonce="n", algorithm=SHA-1',
            'Digest realm="r", nonce="n", qop="auth-int"',
        ],
    )
    def test_unanswerable(self, challenge: str) -> None:
        """A challenge we cannot meet is the peer's fault, said before a secret is used."""
        assert not can_answer(challenge)
        with pytest.raises(ProtocolError):
            answer(challenge, "INVITE", "sip:h", "u", password="p", cnonce="c")

    def test_malformed_challenge(self) -> None:
        """A malformed challenge cannot be answered."""
        assert not can_answer('Digest realm="r')
        with pytest.raises(ParseError):
            answer('Digest realm="r', "INVITE", "sip:h", "u", password="p", cnonce="c")

    def test_nothing_leaves_its_quotes(self) -> None:
        """What the peer put into its challenge cannot add a line or a directive to ours."""
        challenge = 'Digest realm="a\\", nonce=\\"x", nonce="n\\"", opaque="o\\\\"'
        value = answer(challenge, "INVITE", "sip:h", 'u"', password="p", cnonce="c\r\nX: y")
        fields = parse_credentials(value)
        assert (fields.get("realm"), fields.get("nonce"), fields.get("opaque")) == ('a", nonce="x', 'n"', "o\\")
        assert fields.get("username") == 'u"'
        assert "\r" not in value
        assert "\n" not in value


class TestMisuse:
    """Our own mistakes are said at once."""

    def test_short_key(self) -> None:
        """A short key would make nonces that can be forged."""
        with pytest.raises(LocalError):
            Challenger("r", b"short")

    def test_realm_with_line_end(self) -> None:
        """A realm from the configuration cannot carry a line end."""
        with pytest.raises(LocalError):
            Challenger("r\r\nX: y", KEY)

    @pytest.mark.parametrize("salt", ["", "a.b", 'a"', "a\r\n"])
    def test_salt(self, challenger: Challenger, salt: str) -> None:
        """A salt that would break the nonce is refused."""
        with pytest.raises(LocalError):
            challenger.challenge(1.0, salt)

    def test_no_secret_and_unknown_algorithm(self) -> None:
        """An answer needs a secret, a secret needs a known algorithm."""
        with pytest.raises(LocalError):
            answer('Digest realm="r", nonce="n"', "INVITE", "sip:h", "u", cnonce="c")
        with pytest.raises(LocalError):
            ha1("u", "r", "p", "SHA-1")
