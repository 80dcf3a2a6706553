"""Crypto lines: what is read, what is refused and why, what never shows, and what each policy takes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.description import build_answer, build_offer
from media.formats import PCMA
from media.remote import Remote, read_remote
from media.sdes import (
    MAX_LINES,
    OFFERED,
    PLAIN,
    SUITES,
    Crypto,
    CryptoError,
    Keys,
    Policy,
    Profile,
    offer_crypto,
    parse_crypto,
    read_crypto,
    render_crypto,
)
from media.sdp import MAX_BYTES, SdpError

KEY = base64.b64encode(bytes(range(30))).decode()
USUAL = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"

TAKEN = {
    USUAL: (1, "AES_CM_128_HMAC_SHA1_80"),
    f"{USUAL}|2^20": (1, "AES_CM_128_HMAC_SHA1_80"),
    f"{USUAL}|1048576": (1, "AES_CM_128_HMAC_SHA1_80"),
    f"{USUAL}|2^48": (1, "AES_CM_128_HMAC_SHA1_80"),
    f"{USUAL}|2^31|1:1": (1, "AES_CM_128_HMAC_SHA1_80"),
    f"{USUAL}|1:4": (1, "AES_CM_128_HMAC_SHA1_80"),
    f"{USUAL} WSH=64": (1, "AES_CM_128_HMAC_SHA1_80"),
    f"{USUAL} -X-LATER=1": (1, "AES_CM_128_HMAC_SHA1_80"),
    f"999999999 AES_CM_128_HMAC_SHA1_32  inline:{KEY}": (999999999, "AES_CM_128_HMAC_SHA1_32"),
    f"2\taes_cm_128_hmac_sha1_80\tinline:{KEY}": (2, "AES_CM_128_HMAC_SHA1_80"),
    "3 AEAD_AES_128_GCM inline:" + base64.b64encode(bytes(28)).decode(): (3, "AEAD_AES_128_GCM"),
    "3 AEAD_AES_128_GCM inline:" + base64.b64encode(bytes(28)).decode().rstrip("="): (3, "AEAD_AES_128_GCM"),
    "4 AEAD_AES_256_GCM inline:" + base64.b64encode(bytes(44)).decode(): (4, "AEAD_AES_256_GCM"),
}

REFUSED = {
    "": "no tag",
    "1 AES_CM_128_HMAC_SHA1_80": "no tag",
    f"01 AES_CM_128_HMAC_SHA1_80 inline:{KEY}": "no tag",
    f"1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}": "no tag",
    f"1 ROT13 inline:{KEY}": "not known",
    f"1 F8_128_HMAC_SHA1_80 inline:{KEY}": "not spoken",
    "1 AES_256_CM_HMAC_SHA1_80 inline:" + base64.b64encode(bytes(46)).decode(): "not spoken",
    f"{USUAL}|2^20|256:1": "master key identifier",
    f"{USUAL}|1:0": "master key identifier",
    f"{USUAL}|1:129": "master key identifier",
    f"{USUAL}|1:4|2^20": "cannot be read",
    f"{USUAL};inline:{KEY}": "several keys",
    f"{USUAL}|2^49": "lifetime",
    f"{USUAL}|0": "lifetime",
    f"{USUAL}|2^99": "lifetime",
    f"{USUAL} UNENCRYPTED_SRTP": "UNENCRYPTED_SRTP",
    f"{USUAL} UNENCRYPTED_SRTCP": "UNENCRYPTED_SRTCP",
    f"{USUAL} UNAUTHENTICATED_SRTP": "UNAUTHENTICATED_SRTP",
    f"{USUAL} KDR=2": "KDR",
    f"{USUAL} FEC_ORDER=FEC_SRTP": "FEC_ORDER",
    f"{USUAL} X-NEW": "X-NEW",
    f"1 AES_CM_128_HMAC_SHA1_80 prompt:{KEY}": "cannot be read",
    "1 AES_CM_128_HMAC_SHA1_80 inline:*": "cannot be read",
    "1 AES_CM_128_HMAC_SHA1_80 inline:AAAAA": "cannot be read",
    "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA": "key of 3 octets",
    f"1 AEAD_AES_256_GCM inline:{KEY}": "key of 30 octets",
}


@pytest.mark.parametrize("value", TAKEN)
def test_a_usable_line_is_read(value: str) -> None:
    """Tag and suite are as written, the key is whole."""
    crypto = parse_crypto(value)
    assert (crypto.tag, crypto.suite) == TAKEN[value]
    assert len(crypto.key) == SUITES[crypto.suite]


@pytest.mark.parametrize(
    ("written", "mki"),
    [("", b""), ("|2^20", b""), ("|2^31|1:1", b"\1"), ("|1:4", b"\0\0\0\1"), ("|2^48|258:2", b"\1\2"),
     ("|0:128", bytes(128))],
)  # fmt: skip
def test_the_master_key_identifier_of_a_line(written: str, mki: bytes) -> None:
    """A number and how many octets of each packet it takes, big-endian (RFC 4568 §6.1)."""
    assert parse_crypto(USUAL + written).mki == mki


@pytest.mark.parametrize("value", REFUSED)
def test_a_line_that_cannot_be_used_says_why_without_its_key(value: str) -> None:
    """What is not done here is refused rather than passed over, and no text of an error holds a key."""
    with pytest.raises(CryptoError, match=REFUSED[value]) as raised:
        parse_crypto(value)
    assert KEY not in str(raised.value)


@st.composite
def cryptos(draw: st.DrawFn) -> Crypto:
    """A line of ours."""
    suite = draw(st.sampled_from(OFFERED))
    octets = SUITES[suite]
    key = draw(st.binary(min_size=octets, max_size=octets))
    return Crypto(draw(st.integers(0, 999_999_999)), suite, key, draw(st.binary(max_size=16)))


@given(cryptos())
def test_what_is_rendered_is_read_back(crypto: Crypto) -> None:
    """Round trip."""
    assert parse_crypto(render_crypto(crypto)) == crypto


@given(st.lists(st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=80).map("crypto:".__add__), max_size=40))
def test_any_lines_are_read_or_refused(attributes: list[str]) -> None:
    """Nothing a peer writes raises; each line is counted once, up to the bound."""
    usable, refused = read_crypto(attributes)
    assert len(usable) + len(refused) == min(len(attributes), MAX_LINES)


def test_a_tag_counts_once() -> None:
    """Of two lines with one tag the first counts (RFC 4568 §5.1)."""
    usable, refused = read_crypto([f"crypto:{USUAL}", "rtcp-mux", f"crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"])
    assert [one.suite for one in usable] == ["AES_CM_128_HMAC_SHA1_80"]
    assert refused == ("tag 1 again",)


def test_keys_are_not_shown() -> None:
    """Neither a line nor a pair of keys tells them when it is printed."""
    shown = f"{Crypto(1, 'S', b'secret octets')!r} {Keys('S', b'secret octets', b'secret octets')!s}"
    assert "secret" not in shown


def description(*streams: str) -> bytes:
    """A description with these m-lines and what is below them."""
    return ("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + "".join(streams)).encode()


AVP = "m=audio 4000 RTP/AVP 8\r\n"
CRYPTO = f"a=crypto:{USUAL}\r\n"
AVP_CRYPTO = AVP + CRYPTO
SAVP = f"m=audio 4002 RTP/SAVP 8\r\n{CRYPTO}"
SAVP_BARE = "m=audio 4002 RTP/SAVP 8\r\n"
SAVP_UNUSABLE = f"m=audio 4002 RTP/SAVP 8\r\na=crypto:{USUAL} UNENCRYPTED_SRTP\r\n"

# What is offered, and for each policy the port that is taken and whether it is secured; None is 488.
POLICIES: list[tuple[tuple[str, ...], dict[Policy, tuple[int, bool] | None]]] = [
    ((AVP,), {"off": (4000, False), "optional": (4000, False), "required": None}),
    ((AVP_CRYPTO,), {"off": (4000, False), "optional": (4000, True), "required": (4000, True)}),
    ((SAVP,), {"off": None, "optional": (4002, True), "required": (4002, True)}),
    ((SAVP_BARE,), {"off": None, "optional": None, "required": None}),
    ((SAVP_UNUSABLE,), {"off": None, "optional": None, "required": None}),
    ((SAVP, AVP), {"off": (4000, False), "optional": (4002, True), "required": (4002, True)}),
    ((AVP, SAVP), {"off": (4000, False), "optional": (4002, True), "required": (4002, True)}),
    ((SAVP_UNUSABLE, AVP), {"off": (4000, False), "optional": (4000, False), "required": None}),
    (("m=audio 4004 UDP/TLS/RTP/SAVPF 8\r\n",), {"off": None, "optional": None, "required": None}),
]


@pytest.mark.parametrize("policy", ["off", "optional", "required"])
@pytest.mark.parametrize("streams", range(len(POLICIES)))
def test_what_a_policy_takes(streams: int, policy: Policy) -> None:
    """The table of transports and crypto lines against policies."""
    offered, expected = POLICIES[streams]
    body = description(*offered)
    wanted = expected[policy]
    if wanted is None:
        with pytest.raises(SdpError) as raised:
            read_remote(body, policy)
        assert raised.value.status == 488
        assert KEY not in str(raised.value)
        return
    remote = read_remote(body, policy)
    assert (remote.port, bool(remote.crypto)) == wanted
    profile = Profile(policy, remote.protocol, remote.crypto)
    answer = build_answer(
        body, session_id=1, version=1, address="192.0.2.9", port=5000, codec=PCMA, event_pt=None,
        direction="sendrecv", profile=profile,
    )  # fmt: skip
    back = read_remote(answer, policy)
    assert (back.port, back.protocol, back.crypto) == (5000, remote.protocol, remote.crypto)
    # RFC 3264 §6: as many m-lines as were offered, the others refused.
    assert answer.count(b"m=audio 0 ") == len(offered) - 1


def test_an_offer_shows_its_profile() -> None:
    """Required: RTP/SAVP with a line for each suite; by RFC 8643: RTP/AVP with the same lines; plain: none."""
    lines = offer_crypto(lambda octets: bytes(octets))
    common = {"session_id": 1, "version": 1, "address": "192.0.2.9", "port": 5000, "codecs": (PCMA,), "event_pt": 101}
    secured = build_offer(**common, profile=Profile("required", "RTP/SAVP", lines))  # type: ignore[arg-type]
    either = build_offer(**common, profile=Profile("optional", "RTP/AVP", lines))  # type: ignore[arg-type]
    plain = build_offer(**common, profile=PLAIN)  # type: ignore[arg-type]
    assert read_remote(secured, "required").crypto == lines
    assert read_remote(either, "optional").protocol == "RTP/AVP"
    assert [one.suite for one in read_remote(either, "optional").crypto] == list(OFFERED)
    assert b"crypto" not in plain
    assert b"RTP/AVP" in plain


def test_a_description_full_of_crypto_lines_is_bounded() -> None:
    """As many lines as a description may hold cost no more than the bound."""
    body = description(SAVP_BARE, *[f"a=crypto:{n} NONE inline:AAAA\r\n" for n in range(1000)])
    assert len(body) < MAX_BYTES
    with pytest.raises(SdpError) as raised:
        read_remote(body, "required")
    assert str(raised.value).count("not known") == MAX_LINES


def taken_by(policy: Policy, offer: bytes) -> Remote | SdpError:
    """What a policy makes of an offer."""
    try:
        return read_remote(offer, policy)
    except SdpError as error:
        return error


@given(
    st.sampled_from(["off", "optional", "required"]),
    st.sampled_from(["off", "optional", "required"]),
    st.lists(st.sampled_from(OFFERED), unique=True, max_size=4),
    st.booleans(),
)
def test_two_sides_agree_on_the_same_or_not_at_all(ours: Policy, theirs: Policy, suites: list[str], hurt: bool) -> None:
    """Whatever is offered by one policy and taken by another: secured both ways or not, and required is never less."""
    lines = tuple(Crypto(n, suite, bytes([n]) * SUITES[suite]) for n, suite in enumerate(suites, 3))
    if ours == "off":
        profile = PLAIN
    else:
        profile = Profile(ours, "RTP/SAVP" if ours == "required" else "RTP/AVP", lines)
    offer = build_offer(
        session_id=1, version=1, address="192.0.2.9", port=5000, codecs=(PCMA,), event_pt=None, profile=profile
    )
    if hurt:
        offer = offer.replace(b"inline:", b"outline:")
    remote = taken_by(theirs, offer)
    if isinstance(remote, SdpError):
        assert remote.status == 488
        assert theirs == "required" or ours == "required"
        return
    taken = remote.crypto[:1]
    assert bool(taken) or (theirs != "required" and remote.protocol == "RTP/AVP")
    own = tuple(Crypto(one.tag, one.suite, b"\xee" * len(one.key)) for one in taken)
    answer = build_answer(
        offer, session_id=2, version=1, address="192.0.2.1", port=6000, codec=PCMA, event_pt=None,
        direction="sendrecv", profile=Profile(theirs, remote.protocol, own),
    )  # fmt: skip
    back = read_remote(answer, ours)
    assert back.protocol == profile.protocol
    assert back.crypto == own
    if own:
        assert own[0].suite == suites[0]
        assert own[0].tag == 3
