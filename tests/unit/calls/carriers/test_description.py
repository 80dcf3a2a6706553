"""What is configured of a carrier."""

from __future__ import annotations

import pytest

from routing.trunks.model import Gateway
from switchboard.calls.carriers.description import Site, Trunk


@pytest.mark.parametrize(
    ("to", "host"),
    [
        ("sip.example.com", "sip.example.com"),
        ("sip.example.com:5070", "sip.example.com"),
        ("192.0.2.1:5060", "192.0.2.1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]:5070", "[2001:db8::1]"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_host_of_a_place(to: str, host: str) -> None:
    """Without the port, whether it is a name or an address; a trunk's own domain goes before it."""
    site = Site(Gateway(name="1"), to)
    assert site.host == host
    assert Trunk("one", None, False, sites=(site,)).domain_at(site) == host
    assert Trunk("one", None, False, sites=(site,), domain="example.org").domain_at(site) == "example.org"
