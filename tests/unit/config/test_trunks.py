"""What may be said of trunks, and what is said of mistakes there."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loader import load_config
from config.values import Duration, Hidden

FULL = """
sip:
  listen: [{host: 127.0.0.1, port: 5060}, {host: 127.0.0.1, port: 5060, transport: tcp}]
trunks:
  - name: north
    gateways:
      - {to: "192.0.2.10:5060", name: a, order: 1, weight: 70, channels: 30, cps: 5}
      - {to: "[2001:db8::1]:5060", order: 1, weight: 30, transport: tcp, login: {user: other, password: "p"}}
      - {to: sip.north.example, order: 2, disabled: true}
    login: {user: "4001", password: "secret", realm: north.example}
    register: {expires: 30m, contact: line-1, each: true}
    domain: north.example
    from_user: "4001"
    channels: 60
    cps: 10
    failover: [408, 5xx]
    silence: 2s
    hours: "mon-fri 08:00-20:00"
    options: {interval: 30s, up: 2, down: 3}
    numbers:
      caller: [{prefix: "+86", strip: 3}]
      dialled: [{match: '95(\\d{10})', replace: '\\1'}]
      shown: [{prefix: "0", strip: 1, add: "+86"}]
      called: [{prefix: "", add: "9"}]
    headers:
      incoming: [{remove: P-Asserted-Identity}]
      outgoing:
        - {set: P-Asserted-Identity, to: "<sip:{shown}@{domain}>"}
        - {add: X-Account, to: "{account}"}
    codecs: [PCMA]
  - {name: south, from: [192.0.2.20], to: "sip.south.example:5070"}
outbound: {trunk: [north, south], shown: "01088880000"}
"""


def load(tmp_path: Path, text: str) -> ConfigError | None:
    """What is wrong with a configuration."""
    file = tmp_path / "switch.yaml"
    file.write_text(text)
    try:
        load_config(file)
    except ConfigError as error:
        return error
    return None


def test_everything_that_may_be_said(tmp_path: Path) -> None:
    """It is read, and what is left out has its usual value."""
    file = tmp_path / "switch.yaml"
    file.write_text(FULL)
    config = load_config(file)
    north, south = config.trunks
    assert [gateway.weight for gateway in north.gateways] == [70, 30, 1]
    assert north.login is not None
    assert north.login.password == Hidden("secret")
    assert north.register is not None
    assert (north.register.expires, north.register.each, north.options.interval) == (1800.0, True, 30.0)
    assert (north.from_, south.silence, south.failover) == ((), Duration(4.0), (408, 500, 502, 503, 504))
    assert config.outbound is not None
    assert config.outbound.trunks == ("north", "south")


TRUNK = "trunks: [{name: t, to: 'sip.t.example', "


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("trunks: [{name: t}]", "a trunk needs from, to or gateways"),
        (TRUNK + "gateways: [{to: '10.0.0.1:1'}]}]", "either to or gateways"),
        ("trunks: [{name: t, to: 'a b'}]", "'a b' is not address:port, nor a name"),
        ("trunks: [{name: t, to: '10.0.0.1'}]", "'10.0.0.1' is not address:port"),
        ("trunks: [{name: t, to: '10.0.0.256:5060'}]", "'10.0.0.256:5060' is not address:port"),
        ("trunks: [{name: t, to: 'sip.t.example:99999'}]", "has no valid port"),
        ("trunks: [{name: t, gateways: [{to: '10.0.0.1:1'}, {to: '10.0.0.2:1', name: '1'}]}]", "'1' is already taken"),
        ("trunks: [{name: t, gateways: [{to: '10.0.0.1:1', transport: tls}]}]", "sip.listen has no tls"),
        ("trunks: [{name: t, gateways: [{to: '10.0.0.1:1', wait: 1}]}]", "unknown key 'wait'"),
        (TRUNK + "register: {}}]", "needs login, or register.user"),
        ("trunks: [{name: t, from: [10.0.0.1], register: {user: a}}]", "needs to or gateways"),
        (TRUNK + "register: {user: 'a b'}}]", "is no user part of a SIP URI"),
        (TRUNK + "register: {user: a, expires: 5s}}]", "register.expires is 10s to 7d"),
        (TRUNK + "register: {user: a, retry: 0}}]", "register.retry is 1s to 30m"),
        (TRUNK + "register: {usr: a}}]", "unknown key 'usr' under trunks[0].register; did you mean 'user'?"),
        (TRUNK + "login: {user: 'a b', password: x}}]", "one word"),
        (TRUNK + "login: {user: a, password: 1}}]", "expected text in quotes"),
        (TRUNK + "domain: 'a\\r\\nb'}]", "is no name of a host"),
        (TRUNK + "from_user: 'a@b'}]", "is no user part of a SIP URI"),
        (TRUNK + "silence: 40s}]", "silence is 100ms to 32s"),
        (TRUNK + "audio_from: there}]", "'there' is neither sdp nor an IP address"),
        (TRUNK + "audio_from: sdp, nat: true}]", "is not believed"),
        (TRUNK + "audio_from: sdp}]\nmedia: {plane: rtpengine}", "rtpengine takes audio either from"),
        (TRUNK + "options: {interval: 1s}}]", "OPTIONS are sent every 5 s at most"),
        (TRUNK + "hours: mon-fry 08:00-09:00}]", "did you mean 'fri'?"),
        (TRUNK + "failover: [486]}]", "486 is the same at every gateway"),
        (TRUNK + "failover: [6xx]}]", "'6xx' is no status"),
        (TRUNK + "channels: -1}]", "expected a whole number of at least 0"),
        (TRUNK + "numbers: {caller: [{prefix: x}]}}]", "prefix is made of digits"),
        (TRUNK + "numbers: {called: [{match: '(1+)+'}]}}]", "match is made of"),
        (TRUNK + "numbers: {callee: []}}]", "unknown key 'callee'"),
        (TRUNK + "headers: {outgoing: [{set: Via, to: x}]}}]", "Via belongs to the protocol"),
        (TRUNK + "headers: {outgoing: [{set: X-A, add: Y, to: x}]}}]", "exactly one of set, add and remove"),
        (TRUNK + 'headers: {outgoing: [{set: X-A, to: "a\\r\\nb"}]}}]', "one line"),
        (TRUNK + "headers: {outgoing: [{set: X-A, to: '{caller}'}]}}]", "'{caller}' cannot be filled in"),
        (TRUNK + "headers: {incoming: [{set: X-A, to: '{shown}'}]}}]", "only be filled in where a call goes out"),
        (TRUNK + "headers: {outgoing: [{set: Diversion, to: '<sip:4008001234@x>'}]}}]", "400 and 800 numbers only"),
        (
            TRUNK + "headers: {outgoing: [{set: P-Asserted-Identity, to: '<tel:+8613900001234>'}]}}]\n"
            "numbers: [{number: '4008001234', flow: extension}]\n"
            "masks: [{number: '4008001234', extension: '1', real: '13900001234', trunk: t, shown: '01088880000'}]",
            "a hidden number of masks may not be shown",
        ),
        ("outbound: {trunk: [], shown: '01088880000'}", "outbound needs a trunk"),
        ("outbound: {trunk: [north], shown: '01088880000'}", "not 'north'"),
    ],
)
def test_mistakes_have_a_place_and_a_reason(tmp_path: Path, text: str, reason: str) -> None:
    """Each is refused with the line and what is wrong."""
    error = load(tmp_path, text)
    assert error is not None
    assert reason in str(error), error
    assert error.line is not None
