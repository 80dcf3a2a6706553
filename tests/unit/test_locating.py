"""Which names of the configuration are looked up ahead, and what of DNS we can use."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.loader import load_config
from config.schema import Config
from switchboard.locating import configured_places, means_of
from switchboard.sip.locating import Place

TEXT = """
sip:
  listen:
    - {host: 127.0.0.1}
    - {host: "::1"}
    - {host: "::1", transport: tcp}
    - {host: 127.0.0.1, transport: ws, port: 5080}
numbers:
  - {number: "4001", target: "sip:a@one.example"}
  - {number: "4002", target: "sip:a@127.0.0.1:5190"}
  - {number: "4003", target: "sip:a@localhost:5190"}
  - {number: "4004", mask: true}
  - {number: "4005", target: "sips:a@Two.Example;transport=tcp"}
masks:
  - {number: "4004", extensions: 100-199, target: "sip:{extension}@three.example:5070"}
groups:
  - {name: sales, members: ["sip:s@four.example"]}
agents:
  - {id: anna, phone: "sip:anna@five.example", groups: {sales: 1}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration with names everywhere."""
    file = tmp_path / "switch.yaml"
    file.write_text(TEXT.replace("sips:a@Two.Example;transport=tcp", "sip:a@Two.Example;transport=tcp"))
    return load_config(file)


def test_every_name_is_looked_up_ahead_and_no_address(config: Config) -> None:
    """Of numbers, masks, groups and agents, and of masks that stand elsewhere."""
    assert configured_places(config, ["sip:{extension}@six.example"]) == {
        Place("one.example"),
        Place("two.example", None, "tcp"),
        Place("three.example", 5070),
        Place("four.example"),
        Place("five.example"),
        Place("six.example"),
    }


def test_what_is_listened_on_can_be_used(config: Config) -> None:
    """IPv6 before IPv4 (RFC 6724); nobody is called by a WebSocket."""
    assert means_of(config) == {"udp": ("AAAA", "A"), "tcp": ("AAAA",)}
