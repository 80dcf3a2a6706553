"""Message waiting: the lamp of a phone whose box has messages, told at each change and at first (RFC 3842)."""

from __future__ import annotations

from switchboard.calls.connecting import contact_address
from switchboard.calls.exchange import Exchange
from switchboard.sip.outgoing import OutgoingRequest


def tell_waiting(x: Exchange, box: str, waiting: tuple[int, int], now: float) -> None:
    """NOTIFY every phone registered for the box's account of its new and heard messages, if there is one.

    Sent without a subscription, as most phones take it: RFC 3842 itself wants one, few phones ask.
    """
    aor = box if "@" in box else f"{box}@{x.settings.domain}"
    if not aor.isascii() or any(character in aor for character in ' <>"\r\n'):
        return
    new, heard = waiting
    lamp = "yes" if new else "no"
    body = f"Messages-Waiting: {lamp}\r\nMessage-Account: sip:{aor}\r\nVoice-Message: {new}/{heard}\r\n".encode()
    for binding in x.registrar.lookup(aor, now):
        address, _ = contact_address(binding.contact, binding.source)
        x.core.request(
            OutgoingRequest(
                method="NOTIFY",
                uri=binding.contact,
                destination=address,
                from_=f"<sip:{aor}>;tag={x.token()}",
                to=f"<sip:{aor}>",
                call_id=x.token(),
                cseq=1,
                headers=(x.contact, "Event: message-summary", "Subscription-State: active"),
                body=body,
                content_type="application/simple-message-summary",
            ),
            now,
        )
