from __future__ import annotations

import pytest

from routing.trunks import MAX_REMEMBERED, TrunkError, Trunks

TRUNKS = Trunks(
    {
        "bench": ["127.0.0.0/8"],
        "carrier": ["192.0.2.0/24", "198.51.100.7"],
        "backup": ["192.0.2.128/25", "192.0.2.9:5070"],
        "shared": ["198.51.100.8:5060"],
        "second": ["198.51.100.8:5070", "203.0.113.0/24:5080"],
        "third": ["203.0.113.0/24"],
        "six": ["2001:db8::/32", "[2001:db8::5]:5070"],
        "other six": ["2001:db8:1::/48"],
    }
)

SOURCES = [
    ("127.0.0.1", 5060, "bench"),
    ("127.255.0.9", 41000, "bench"),
    ("128.0.0.1", 5060, None),
    ("192.0.2.1", 5060, "carrier"),
    ("192.0.2.127", 1, "carrier"),
    ("192.0.2.128", 5060, "backup"),
    ("192.0.2.9", 5070, "backup"),
    ("192.0.2.9", 5060, "carrier"),
    ("198.51.100.7", 9, "carrier"),
    ("198.51.100.8", 5060, "shared"),
    ("198.51.100.8", 5070, "second"),
    ("198.51.100.8", 5080, None),
    ("203.0.113.5", 5080, "second"),
    ("203.0.113.5", 5081, "third"),
    ("::ffff:192.0.2.1", 5060, "carrier"),
    ("::ffff:198.51.100.7", 5060, "carrier"),
    ("2001:db8::1", 5060, "six"),
    ("2001:db8::5", 5070, "six"),
    ("2001:db8:1::1", 5060, "other six"),
    ("2001:db8:1::1%eth0", 5060, "other six"),
    ("fe80::1%eth0", 5060, None),
    ("not an address", 5060, None),
    ("", 0, None),
]


class TestIdentify:
    """Whose packet is it?"""

    @pytest.mark.parametrize(("host", "port", "name"), SOURCES)
    def test_identify(self, host: str, port: int, name: str | None) -> None:
        """The longest network that holds the address owns it; a source with a port goes before one without."""
        assert TRUNKS.identify(host, port) == name
        assert TRUNKS.identify(host, port) == name

    def test_no_trunks(self) -> None:
        """Without trunks nobody is known."""
        assert Trunks({}).identify("127.0.0.1", 5060) is None

    def test_memory_is_bounded(self) -> None:
        """Packets from ever new addresses do not fill the memory, and answers stay right."""
        trunks = Trunks({"net": ["10.0.0.0/16"]})
        for index in range(MAX_REMEMBERED * 2 + 10):
            high, low = divmod(index, 256)
            assert trunks.identify(f"10.{high // 256}.{high % 256}.{low}", 5060) == "net"
            assert len(trunks._remembered) <= MAX_REMEMBERED
        assert trunks.identify("10.1.0.0", 5060) is None

    def test_same_source_twice_in_one_trunk(self) -> None:
        """A trunk may name a source twice."""
        assert Trunks({"a": ["192.0.2.1", "192.0.2.1/32"]}).identify("192.0.2.1", 1) == "a"


class TestRefused:
    """Sources that cannot be used."""

    @pytest.mark.parametrize(
        ("sources", "reason"),
        [
            ({"a": ["sip.example.com"]}, "trunk a: 'sip.example.com' is no IP address or network"),
            (
                {"a": ["10.0.0.1/8"]},
                "trunk a: '10.0.0.1/8' is no IP address or network (10.0.0.1/8 has host bits set)",
            ),
            ({"a": ["192.0.2.1:x"]}, "trunk a: '192.0.2.1:x' has no valid port"),
            ({"a": ["192.0.2.1:0"]}, "trunk a: '192.0.2.1:0' has no valid port"),
            ({"a": ["192.0.2.1:65536"]}, "trunk a: '192.0.2.1:65536' has no valid port"),
            ({"a": ["192.0.2.1:" + "9" * 5000]}, "trunk a: '192.0.2.1:999"),
            ({"a": ["[::1]x"]}, "trunk a: '[::1]x' has no valid port"),
            ({"a": ["[::1"]}, "trunk a: '[::1' has no valid port"),
            ({"a": [""]}, "trunk a: '' is no IP address or network"),
            ({"a": ["192.0.2.0/24"], "b": ["192.0.2.0/24"]}, "trunks a and b both claim 192.0.2.0/24"),
        ],
    )
    def test_refused(self, sources: dict[str, list[str]], reason: str) -> None:
        """A source that is no address, or that two trunks claim, is refused with the trunk's name."""
        with pytest.raises(TrunkError) as caught:
            Trunks(sources)
        assert str(caught.value).startswith(reason)
