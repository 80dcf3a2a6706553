"""Which legs are secured by SRTP, and the keys they show in SDP (RFC 4568).

A policy is the trunk's, the account's or the configuration's. `required` offers RTP/SAVP and takes nothing in clear;
`optional` offers RTP/AVP with keys, which a peer that does not know them passes over (RFC 8643), and takes either;
`off` shows no key. Our key of a leg stays as long as its port and its suite do, through holds, refreshes and
re-INVITEs, so that neither side's rollover counter begins anew; another port has another key (RFC 4568 §7.1.4).
What we offer has no master key identifier; an answer has that of the line which it takes, if any.
"""

from __future__ import annotations

from msgspec.structs import replace

from media.offer_answer import Agreement
from media.remote import Remote
from media.sdes import PLAIN, RTP, SRTP, SUITES, Crypto, Keys, Policy, Profile, offer_crypto, render_crypto
from media.sdp import SdpError
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg


def policy_of(x: Exchange, account: str) -> Policy:
    """The policy of an account, or of `user@domain`; "" is nobody's."""
    settings = x.settings
    if settings.srtp_accounts:
        return settings.srtp_accounts.get(account.partition("@")[0], settings.srtp)
    return settings.srtp


def offer_profile(x: Exchange, leg: Leg) -> Profile:
    """How our offer to a leg is secured: as it is already, or by its policy, with keys for each suite."""
    agreed = leg.agreement
    if agreed is None or leg.remote is None:
        protocol = SRTP if leg.srtp == "required" else RTP
        leg.crypto = offer_crypto(x.secret)
        return Profile(leg.srtp, protocol, leg.crypto)
    keys = agreed.secured
    if keys is None:
        leg.crypto = ()
        return PLAIN
    own = tuple([one for one in leg.crypto if one.suite == keys.suite and one.key == keys.send])
    leg.crypto = own or offer_crypto(x.secret, (keys.suite,))
    return Profile(leg.srtp, leg.remote.protocol, leg.crypto)


def under_other_keys(x: Exchange, leg: Leg, offer: bytes) -> bytes:
    """An offer that nobody has taken, for somebody else: who was shown its keys is not to have theirs."""
    for old in leg.crypto:
        new = replace(old, key=x.secret(SUITES[old.suite]))
        offer = offer.replace(render_crypto(old).encode(), render_crypto(new).encode())
        leg.crypto = tuple([new if one is old else one for one in leg.crypto])
    return offer


def secured_by_answer(leg: Leg, remote: Remote, agreed: Agreement) -> Agreement:
    """The agreement with the keys that an answer to our offer has taken; SdpError where it takes none of ours."""
    if not remote.crypto:
        return agreed
    theirs = remote.crypto[0]
    own = next((one for one in leg.crypto if (one.tag, one.suite) == (theirs.tag, theirs.suite)), None)
    if own is None or own.key == theirs.key:
        raise SdpError("answer takes no crypto line of the offer", status=488, section="RFC 4568 §5.1.3")
    return replace(agreed, secured=Keys(own.suite, own.key, theirs.key, own.mki, theirs.mki))


def answer_profile(x: Exchange, leg: Leg, before: Agreement | None) -> Profile:
    """How our answer to a leg's offer is secured: by its first line, under the key we had `before` if it still fits."""
    remote = leg.remote
    assert remote is not None
    agreed = leg.agreement
    assert agreed is not None
    if not remote.crypto:
        leg.crypto = ()
        return Profile(leg.srtp, remote.protocol)
    theirs = remote.crypto[0]
    keys = before.secured if before is not None else None
    shown = keys is not None and keys.suite == theirs.suite and any(one.key == keys.send for one in leg.crypto)
    own = keys.send if keys is not None and shown and keys.send != theirs.key else x.secret(SUITES[theirs.suite])
    leg.crypto = (Crypto(theirs.tag, theirs.suite, own, theirs.mki),)
    leg.agreement = replace(agreed, secured=Keys(theirs.suite, own, theirs.key, theirs.mki, theirs.mki))
    return Profile(leg.srtp, remote.protocol, leg.crypto)
