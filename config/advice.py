"""What may be meant so, but is better done otherwise: told at the start and by the check; it stops nothing."""

from __future__ import annotations

from collections.abc import Iterator

from config.findings import Finding
from config.schema import Config


def advice(config: Config) -> Iterator[Finding]:
    """Everything that is better done otherwise, in the order of the file."""
    yield from _keys_in_clear(config)


def _keys_in_clear(config: Config) -> Iterator[Finding]:
    """Keys of SRTP travel in SIP: whoever can read it can hear the call (RFC 4568 §8)."""
    secure = any(listen.transport in ("tls", "wss") for listen in config.sip.listen)
    message = "the keys of SRTP travel in SIP, which is not encrypted here"
    if config.media.srtp != "off" and not secure:
        yield "media.srtp", message, "add an entry with transport: tls to sip.listen"
    for index, trunk in enumerate(config.trunks):
        if (trunk.srtp or config.media.srtp) != "off" and trunk.transport != "tls":
            place = f"trunks[{index}].srtp" if trunk.srtp is not None else f"trunks[{index}]"
            yield place, f"trunk '{trunk.name}': {message}", "transport: tls"
    for index, account in enumerate(config.accounts):
        if account.srtp not in (None, "off") and not secure:
            yield f"accounts[{index}].srtp", message, "add an entry with transport: tls to sip.listen"
