"""Who is let in, who is passed over and who is silenced; nobody whom we know ever is."""

from __future__ import annotations

import pytest

from switchboard.net import sources
from switchboard.net.sources import FOREVER, TRUST, Limits, SourceGuard

STRANGER = ("203.0.113.9", 5060)
TRUNK = ("198.51.100.7", 5060)
LIMITS = Limits(rate=10.0, burst=5.0, failures=4.0, window=60.0, silence=600.0)


class Told:
    """A guard, what it told, and whether datagrams have to be screened."""

    def __init__(self, **more: object) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.enforced: list[bool] = []
        self.guard = SourceGuard(
            LIMITS,
            trunks=["198.51.100.0/24", "192.0.2.1:5070", "[2001:db8::1]:5060"],
            tell=lambda event, **values: self.events.append((event, values["address"], values["reason"])),
            **more,  # type: ignore[arg-type]
        )
        self.guard.enforce = self.enforced.append

    def heard(self, *hosts: str) -> list[str]:
        """Which of these hosts get through."""
        return [host for _, (host, _) in self.guard.screen([(b"x", (host, 5060)) for host in hosts])]


@pytest.fixture
def told() -> Told:
    """With tight limits."""
    return Told()


def test_requests_beyond_the_rate_are_passed_over(told: Told) -> None:
    """A burst, then so many a second; others are not concerned, and nobody is blocked by it."""
    asked = [told.guard.turns_away(STRANGER, None, 1.0) for _ in range(7)]
    assert asked == [False] * 5 + [True] * 2
    assert not told.guard.turns_away(("203.0.113.10", 5060), None, 1.0)
    assert [told.guard.turns_away(STRANGER, None, 1.25) for _ in range(3)] == [False, False, True]
    assert told.guard.turned_away == 3
    assert not told.guard.active


def test_failures_silence_a_source_for_a_while(told: Told) -> None:
    """The fourth within the window; whatever port it uses; and then it may try again."""
    for port in range(3):
        told.guard.failed((STRANGER[0], 5000 + port), 1.0)
    assert not told.guard.active
    told.guard.failed(STRANGER, 2.0)
    assert told.events == [("source.silenced", STRANGER[0], "failures")]
    assert told.enforced == [True]
    assert told.heard(STRANGER[0], TRUNK[0]) == [TRUNK[0]]
    assert told.guard.dropped == 1
    told.guard.sweep(601.9)
    assert told.heard(STRANGER[0]) == []
    told.guard.sweep(602.0)
    assert told.heard(STRANGER[0]) == [STRANGER[0]]
    assert told.enforced == [True, False]


def test_failures_are_forgotten_in_time(told: Told) -> None:
    """Who mistypes now and then is never silenced."""
    for minute in range(100):
        told.guard.failed(STRANGER, minute * 60.0)
        told.guard.failed(STRANGER, minute * 60.0 + 1)
    assert not told.guard.active


@pytest.mark.parametrize(
    "agent",
    ["friendly-scanner", "sipcli/v1.8", "sip-scan", "pplsip", "VaxSIPUserAgent/3.1", "SIPVicious 0.3", "my tool 2"],
)
def test_a_scanner_is_silenced_at_once(agent: str) -> None:
    """By what it calls itself, in any case; names of one's own may be added."""
    told = Told(scanners=["My Tool"])
    assert told.guard.turns_away(STRANGER, agent, 1.0)
    assert told.heard(STRANGER[0]) == []
    assert told.events == [("source.silenced", STRANGER[0], "scanner")]


@pytest.mark.parametrize("agent", [None, "", "Linphone/5.2", "baresip v3.1", "Yealink SIP-T54W"])
def test_phones_are_no_scanners(told: Told, agent: str | None) -> None:
    """Nor those that say nothing."""
    assert not told.guard.turns_away(STRANGER, agent, 1.0)
    assert not told.guard.active


@pytest.mark.parametrize("host", [TRUNK[0], "192.0.2.1", "2001:db8::1", "::ffff:198.51.100.8"])
def test_trunks_are_never_blocked(told: Told, host: str) -> None:
    """Whatever they send, from whatever port; nor can an operator block them by mistake."""
    for _ in range(50):
        assert not told.guard.turns_away((host, 9999), "friendly-scanner", 1.0)
        told.guard.failed((host, 9999), 1.0)
    assert not told.guard.active
    if not host.startswith("::"):
        with pytest.raises(ValueError, match="trunk"):
            told.guard.block(host, 1.0)
    with pytest.raises(ValueError, match="trunk"):
        told.guard.block("0.0.0.0/0" if "." in host else "::/0", 1.0)


def test_where_a_phone_has_proved_itself_nobody_is_blocked(told: Told) -> None:
    """For a day; its earlier failures are forgotten."""
    told.guard.failed(STRANGER, 1.0)
    told.guard.proved(STRANGER, 2.0)
    for _ in range(50):
        told.guard.failed(STRANGER, 3.0)
        assert not told.guard.turns_away(STRANGER, None, 3.0)
    with pytest.raises(ValueError, match="phone"):
        told.guard.block("203.0.113.0/24", 3.0)
    assert not told.guard.active
    assert told.guard.trusts(STRANGER, 2.0 + TRUST - 1)
    assert not told.guard.trusts(STRANGER, 2.0 + TRUST)


def test_networks_are_blocked_by_configuration_and_operator(told: Told) -> None:
    """Trunks within a network that the configuration blocks are let in all the same."""
    configured = Told(blocked=["198.51.0.0/16", "203.0.113.9"])
    assert configured.guard.active
    assert configured.heard("198.51.7.7", TRUNK[0], STRANGER[0], "203.0.113.8") == [TRUNK[0], "203.0.113.8"]
    assert told.guard.block("203.0.113.0/24", 1.0, 60.0) == "203.0.113.0/24"
    assert told.heard(STRANGER[0], "203.0.114.1") == ["203.0.114.1"]
    assert [(str(one.network), one.reason, one.until) for one in told.guard.blocked(2.0)] == [
        ("203.0.113.0/24", "operator", 61.0)
    ]
    assert told.guard.blocked(61.0) == []
    told.guard.block("203.0.113.9", 70.0)
    assert told.guard.blocked(1e9)[0].until == FOREVER
    for wrong in ("nonsense", "203.0.113.1/24", ""):
        with pytest.raises(ValueError, match=r"."):
            told.guard.block(wrong, 1.0)


def test_who_is_unblocked_begins_anew(told: Told) -> None:
    """One that was silenced, by its address or the network around it; who is not blocked is told apart."""
    told.guard.turns_away(STRANGER, "sipcli", 1.0)
    assert not told.guard.unblock("203.0.113.10")
    assert told.guard.unblock("203.0.113.0/24")
    assert told.heard(STRANGER[0]) == [STRANGER[0]]
    assert not told.guard.active
    told.guard.failed(STRANGER, 2.0)
    assert not told.guard.active


def test_one_family_is_unblocked_while_others_are_silenced(told: Told) -> None:
    """An address of IPv4 lies in no network of IPv6, nor the other way round."""
    for host in ("2001:db8::9", "203.0.113.9"):
        told.guard.turns_away((host, 5060), "sipcli", 1.0)
    assert told.guard.unblock("203.0.113.9")
    assert not told.guard.unblock("198.51.100.1")
    assert [str(one.network) for one in told.guard.blocked(1.0)] == ["2001:db8::/64"]
    assert told.guard.unblock("2001:db8::/64")
    assert not told.guard.active


def test_the_addresses_of_one_ipv6_subscriber_are_judged_as_one(told: Told) -> None:
    """Failing from an address each time helps nobody; a phone there and the next /64 are not concerned."""
    told.guard.proved(("2001:db8:0:7::a", 5060), 1.0)
    for end in range(1, 5):
        told.guard.failed((f"2001:db8:0:7::{end}", 5060), 1.0)
    assert told.events == [("source.silenced", "2001:db8:0:7::/64", "failures")]
    assert told.heard("2001:db8:0:7:ffff::1", "2001:db8:0:8::1", "2001:db8:0:7::a") == [
        "2001:db8:0:8::1",
        "2001:db8:0:7::a",
    ]
    assert [str(one.network) for one in told.guard.blocked(1.0)] == ["2001:db8:0:7::/64"]
    assert told.guard.unblock("2001:db8:0:7::3")
    assert not told.guard.active


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_site_is_an_address_of_ipv4_or_what_an_ipv6_subscriber_has(host: str, site: str) -> None:
    """Also where the address carries a scope, or an IPv4 one."""
    assert sources.site_of(host) == site


def test_tables_are_bounded(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged sources neither fill the memory nor the log; the latest stay."""
    for name in ("MOST_SUSPECTS", "MOST_SILENCED", "MOST_VERDICTS", "MOST_TRUSTED"):
        monkeypatch.setattr(sources, name, 100)
    for number in range(1000):
        host = f"10.0.{number // 250}.{number % 250}"
        told.guard.turns_away((f"11{host[2:]}", 1), None, 1.0)
        told.guard.turns_away((host, 1), "sipcli", 1.0)
        told.guard.proved((f"12{host[2:]}", 1), 1.0)
        told.heard(f"13{host[2:]}")
    assert told.guard.counts() == {"sources_blocked": 100, "sources_trusted": 100, "sources_suspected": 100}
    assert len(told.guard._verdicts) <= 100
    assert len(told.events) == sources.MOST_TOLD
    assert told.heard("10.0.3.249", "10.0.0.0") == ["10.0.0.0"]
