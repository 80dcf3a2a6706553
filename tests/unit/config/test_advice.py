"""What a configuration is advised of: keys of SRTP that travel in SIP without TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.loader import DEFAULT, config_advice, load_config

TLS = "sip: {listen: [{host: 127.0.0.1}, {host: 127.0.0.1, port: 5061, transport: tls, certificate: a, key: b}]}\n"
TRUNK = 'trunks: [{name: t, from: [10.0.0.1], to: "10.0.0.1:5061", transport: TRANSPORT, srtp: SRTP}]\n'
ACCOUNT = "accounts: [{user: a, password: b, srtp: SRTP}]\n"

CASES = [
    ("media: {srtp: off}\n", ()),
    ("media: {srtp: required}\n", ("1:15: the keys",)),
    ("media: {srtp: optional}\n", ("1:15: the keys",)),
    (TLS + "media: {srtp: required}\n", ()),
    (TRUNK.replace("TRANSPORT", "udp").replace("SRTP", "required"), ("1:81: trunk 't': the keys",)),
    (TRUNK.replace("TRANSPORT", "udp").replace("SRTP", "off"), ()),
    (TLS + TRUNK.replace("TRANSPORT", "tls").replace("SRTP", "required"), ()),
    (TLS + "media: {srtp: required}\n" + TRUNK.replace("TRANSPORT", "udp").replace("SRTP", "off"), ()),
    (ACCOUNT.replace("SRTP", "optional"), ("1:41: the keys",)),
    (TLS + ACCOUNT.replace("SRTP", "required"), ()),
    (ACCOUNT.replace("SRTP", "off"), ()),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_where_keys_could_be_read(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    """Each place is told with line and column, and what to do; nothing is refused."""
    file = tmp_path / "switch.yaml"
    file.write_text(text)
    found = config_advice(load_config(file), file)
    assert len(found) == len(expected)
    for line, beginning in zip(found, expected, strict=True):
        assert line.removeprefix(f"{file}:").startswith(beginning)
        assert "transport: tls" in line


def test_a_trunk_without_a_policy_of_its_own_has_that_of_all(tmp_path: Path) -> None:
    """It is told of at its own place too."""
    file = tmp_path / "switch.yaml"
    file.write_text(TLS + "media: {srtp: required}\n" + TRUNK.replace("TRANSPORT", "udp").replace(", srtp: SRTP", ""))
    (line,) = config_advice(load_config(file), file)
    assert "trunk 't'" in line


@pytest.mark.parametrize("name", ["default.yaml", "bench.yaml"])
def test_the_shipped_configurations_need_no_advice(name: str) -> None:
    """They are as they should be."""
    file = DEFAULT.with_name(name)
    assert config_advice(load_config(file), file) == []
