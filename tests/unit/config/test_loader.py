"""Reading configuration files and the one line that says what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loader import DEFAULT, config_error, load_config

MASK = 'masks: [{number: "4008001234", extension: "1", '
BENCH = DEFAULT.with_name("bench.yaml")
TRUNK = "trunks: [{name: t, from: [10.0.0.1], to: 10.0.0.1:5060}]\n"
NUMBER = 'numbers: [{number: "4008001234", flow: extension}]\n'


def failure(tmp_path: Path, text: str) -> str:
    """The error line of a configuration, without its file name."""
    file = tmp_path / "switch.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{file}:")
    return line.removeprefix(f"{file}:").strip()


def test_packaged_default_is_complete() -> None:
    """Without a file the switch has a 400 number with three extensions, two phones and a carrier."""
    config = load_config()
    assert [(one.host, one.port) for one in config.sip.listen] == [("127.0.0.1", 5060)]
    assert (config.http.host, config.http.port) == ("127.0.0.1", 8080)
    assert config.media.workers == 1
    assert config.media.address == "127.0.0.1"
    assert {account.user for account in config.accounts} == {"alice", "bob"}
    flows = {entry.number: entry.flow for entry in config.numbers}
    assert flows == {"4008001234": "extension", "4008005678": "hotline"}
    targets = {mask.extension: mask.target or mask.shown for mask in config.masks}
    assert targets == {"800001": "aor:alice", "800002": "aor:bob", "800003": "01088880000"}
    assert config.trunks[0].to == "127.0.0.1:5070"
    assert config.demo


UDP_ONLY = "sip: {listen: [{host: 127.0.0.1}]}"
AND_WS = "sip: {listen: [{host: 127.0.0.1}, {host: 127.0.0.1, port: 8088, transport: ws}]}"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (UDP_ONLY, False),
        (AND_WS, True),
        (f"{AND_WS}\nwebrtc: {{enabled: false}}", False),
        (f"{UDP_ONLY}\nwebrtc: {{enabled: true}}", True),
    ],
)
def test_browsers_are_served_where_they_can_connect(tmp_path: Path, text: str, *, wanted: bool) -> None:
    """Left out, it follows from sip.listen."""
    file = tmp_path / "switch.yaml"
    file.write_text(text, encoding="utf-8")
    config = load_config(file)
    assert config.webrtc.wanted(config.sip.listen) is wanted


def test_bench_configuration_serves_the_numbers_of_the_first_rows() -> None:
    """4001, 4002, 4004 and the 400 number lead where the load tests expect them."""
    config = load_config(BENCH)
    assert (config.sip.listen[0].host, config.sip.listen[0].port) == ("127.0.0.1", 5560)
    assert config.http.port == 5580
    assert {entry.number: entry.target or entry.flow or entry.group for entry in config.numbers} == {
        "4001": "sip:agent@127.0.0.1:5190",
        "4002": "four_digits",
        "4003": "bench",
        "4004": "hold_music",
        "4005": "sip:agent@127.0.0.1:5190",
        "4006": "listening",
        "4008001234": "extension",
    }
    many, real = config.masks
    assert many.extensions is not None
    assert (len(many.extensions), many.target) == (200_000, "sip:{extension}@127.0.0.1:5190")
    assert real.real is not None
    assert (real.extension, real.real.reveal("test"), real.shown) == ("345678", "13956781234", "01088880000")
    assert repr(config.media.ports) == "10000-29999"
    assert config.store.fresh
    assert config.trunks[0].from_ == ("127.0.0.0/8",)


def test_printing_a_configuration_shows_no_secret() -> None:
    """A configuration in a log or a traceback gives away neither passwords nor real numbers."""
    printed = repr(load_config()) + repr(load_config(BENCH))
    for secret in ("alice-sample", "bob-sample", "13900001234", "13956781234"):
        assert secret not in printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip:\n  lisen: []\n", "2:3: unknown key 'lisen' under sip; did you mean 'listen'?"),
        ("http:\n  qqq: 1\n", "2:3: unknown key 'qqq' under http; known here: host, port, enabled, metrics_token"),
        ("spi: {}\n", "1:1: unknown key 'spi'; did you mean 'sip'?"),
        ("sip: {listen: [{prt: 1}]}", "1:17: unknown key 'prt' under sip.listen[0]; did you mean 'port'?"),
        ("accounts:\n- {user: x}\n", "2:3: accounts[0] needs the key 'password'"),
        (
            "trunks: [{name: x, fro: [10.0.0.1]}]",
            "1:20: unknown key 'fro' under trunks[0]; did you mean 'from'?",
        ),
        (
            "numbers:\n  - number: 4001\n",
            '2:13: numbers[0].number: expected text, found a whole number; write it in quotes: "…"',
        ),
        ("sip: {listen: []}", "1:15: sip.listen: expected at least one entry"),
        (
            "sip: {listen: [{host: 127.0.0.1, port: 99999}]}",
            "1:40: sip.listen[0].port: expected a whole number of at most 65535",
        ),
        ("limits: {calls: 0}", "1:17: limits.calls: expected a whole number of at least 1"),
        (
            "media: {silence: 3x}",
            "1:18: media.silence: expected a duration such as 30s, 200ms, 1.5s, 5m or 4h",
        ),
        (
            "limits: {call_duration: 1.0e+99}",
            "1:25: limits.call_duration: expected a duration of a hundred years, 36525d, at most",
        ),
        ('store: {directory: ""}', "1:20: store.directory: expected text that is not empty"),
        ('recording:\n  directory: ""\n', "2:14: recording.directory: expected text that is not empty"),
        ("log: {level: warn}", "1:14: log.level: unknown value 'warn'; did you mean 'warning'?"),
        ("log: {format: x}", "1:15: log.format: unknown value 'x'; known here: console, json"),
        ("demo: maybe", "1:7: demo: expected true or false, found text"),
        ("demo: yes", "1:7: demo: expected true or false, found text"),
        (
            "masks: {}",
            "1:8: masks: expected a list ([…] or lines starting with '-'), found a mapping (key: value)",
        ),
        (
            "- 1",
            "1:1: the file: expected a mapping (key: value), found a list ([…] or lines starting with '-')",
        ),
        (
            "accounts: [{user: a b, password: x}]",
            "1:19: accounts[0].user: expected a name of letters, digits, '.', '_' and '-'",
        ),
        ("accounts: [{user: a, password: 123}]", "1:32: accounts[0].password: expected text in quotes"),
        ("", "1:1: the file is empty; start from a copy of config/default.yaml"),
        ("# only a comment\n", "1:1: the file is empty; start from a copy of config/default.yaml"),
        (
            "sip: {}\nhttp: {}\nsip: {}\n",
            "3:1: key 'sip' is written twice, first on line 1; keep one of them",
        ),
    ],
)
def test_mistakes_are_named_with_line_and_column(tmp_path: Path, text: str, expected: str) -> None:
    """Unknown keys, wrong types and values out of range point at the place and say what to do."""
    assert failure(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip: [", "not valid YAML"),
        ("\tsip: 1", "1:1: not valid YAML"),
        ("sip: {}\n  x: 1\n", "2:"),
        ("x: !!python/object:os.system 1", "not valid YAML"),
        ("x: *nowhere", "not valid YAML"),
        ("[" * 20_000, "not valid YAML"),
        ("[" * 20_000 + "]" * 20_000, "nested too deeply"),
        ("a: &a [*a]", "unknown key 'a'"),
        ("--- 1\n--- 2\n", "not valid YAML"),
        ("x: \x00", "not readable as YAML"),
    ],
)
def test_broken_yaml_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    """Whatever the YAML reader cannot take becomes one line as well."""
    assert expected in failure(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip: {listen: [{host: localhost}]}", "'localhost' is not an IP address"),
        ("sip: {listen: [{host: 0.0.0.0}]}", "0.0.0.0 stands for every address"),
        ('sip: {listen: [{host: "::"}]}', ":: stands for every address"),
        ("sip: {listen: [{host: 10.0.0.1}, {host: 10.0.0.1}]}", "already taken by sip.listen[0]"),
        ("sip: {listen: [{host: 10.0.0.1},\n  {host: 10.0.0.2}]}", "2:3: a switch has one SIP address on each"),
        ("sip: {listen: [{host: 10.0.0.1, transport: tcp}]}", "the first entry of sip.listen is that of UDP"),
        (
            "sip: {listen: [{host: 10.0.0.1},\n  {host: 10.0.0.1, transport: tls}]}",
            "2:3: transport: tls needs a certificate",
        ),
        ("sip: {listen: [{host: 10.0.0.1, key: a.pem}]}", "key is for transport: tls"),
        (
            "sip: {listen: [{host: 10.0.0.1},\n  {host: 10.0.0.1, port: 443, transport: wss, certificate: a.pem}]}",
            "2:3: transport: wss needs a key",
        ),
        (
            "sip: {listen: [{host: 10.0.0.1},\n  {host: 10.0.0.1, transport: ws, key: a.pem}]}",
            "key is for transport: tls or",
        ),
        ("sip: {listen: [{host: 10.0.0.1, path: /sip}]}", "path and origins are for transport: ws or wss"),
        ("sip: {listen: [{host: 10.0.0.1}, {host: 10.0.0.1, transport: ws, path: sip}]}", "a path begins with /"),
        (
            "sip: {listen: [{host: 10.0.0.1}, {host: 10.0.0.1, transport: ws, origins: [desk.example.com]}]}",
            "'desk.example.com' is not an origin",
        ),
        ("accounts: [{user: a, password: b, digest: []}]", "1:43: digest names one algorithm or both, each once"),
        ("accounts: [{user: a, password: b, digest: [md5, md5]}]", "digest names one algorithm or both, each once"),
        ("sip: {connections: {ping: 0}}", "sip.connections.ping must be above zero"),
        ("sip: {connections: {connect: 0}}", "sip.connections.connect must be above zero"),
        ("sip: {connections: {idle: 0}}", "sip.connections.idle must be above zero"),
        ("trunks: [{name: a, from: [10.0.0.1], transport: tls}]", "sip.listen has no tls, so it cannot be used"),
        ("sip: {listen: [{host: 10.0.0.1}]}\ndemo: true", "1:23: demo: true publishes sample passwords"),
        ("sip: {timers: {t1: 0}}", "sip.timers.t1 must be above zero"),
        ("sip: {timers: {t1: 5, t2: 4}}", "t2 is the ceiling"),
        ("sip: {collect: 150ms}", "sip.collect is 0.1 seconds at most"),
        ("sip: {min_se: 30s}", "min_se is 90 seconds or more"),
        ("recording: {keep: 5h}", "recording.keep must be a day or more"),
        ("recording: {keep_messages: 0s}", "recording.keep_messages must be a day or more"),
        ("sip: {session_expires: 60s}", "session_expires is min_se or more"),
        ("sip: {session_expires: 99.5}", "in whole seconds, or 0"),
        ('sip: {user_agent: "a\\nb"}', "sip.user_agent must be one line"),
        (
            "sip: {listen: [{host: 127.0.0.1, port: 10002}]}",
            "port 10002 is also within media.ports 10000-29999",
        ),
        ("media: {silence: 0}", "media.silence must be above zero"),
        ("webrtc: {patience: 0}", "webrtc.patience must be above zero"),
        ("webrtc: {addresses: [browser.example]}", "'browser.example' is not an IP address"),
        ("webrtc: {external: 0.0.0.0}", "0.0.0.0 stands for every address"),
        ("webrtc: {enabled: true, ports: 20000-20999}", "webrtc.ports 20000-20999 and media.ports 10000-29999 overlap"),
        ("webrtc: {enabled: true}\nmedia: {plane: none}", "browsers' audio is not carried with media.plane: none"),
        (
            "sip: {listen: [{host: 192.0.2.1}]}\nmedia: {address: 192.0.2.1}\n"
            "webrtc: {enabled: true, addresses: [127.0.0.1]}",
            "browsers elsewhere cannot reach a loopback address",
        ),
        ("media: {carried: 5}", "media.carried is for load tests: all audio is carried; leave it out, or plane: none"),
        ("media: {carried: 5, plane: rtpengine}", "media.carried is for load tests"),
        ("media: {plane: rtpengine, rtpengine: {address: 'media.example:2223'}}", "is not an IP address and a port"),
        ("media: {plane: rtpengine, rtpengine: {timeout: 0}}", "media.rtpengine.timeout must be above zero"),
        ("media: {ports: 10000-10005, workers: 2}", "holds 3 pairs; each worker needs two"),
        (
            "sip: {listen: [{host: 10.0.0.1}]}\nmedia: {address: 127.0.0.1}",
            "2:18: media.address 127.0.0.1 cannot be reached by the peers of sip.listen",
        ),
        ("limits: {ring_timeout: 0}", "limits.ring_timeout must be above zero"),
        ("trunks: [{name: t, from: [10.0.0.1/8]}]", "did you mean 10.0.0.0/8?"),
        (
            "trunks: [{name: t, from: [carrier.example]}]",
            "'carrier.example' is no address, address:port or network",
        ),
        ("trunks: [{name: t, from: [10.0.0.1:99999]}]", "'10.0.0.1:99999' is no address"),
        ("trunks: [{name: t, from: [10.0.0.1], to: 10.0.0.1}]", "'10.0.0.1' is not address:port"),
        (
            "trunks: [{name: t, from: [10.0.0.1]}, {name: u, from: [10.0.0.1/32]}]",
            "10.0.0.1/32 already belongs to trunk 't'",
        ),
        (
            "trunks: [{name: t, from: [10.0.0.1]}, {name: t, from: [10.0.0.2]}]",
            "'t' is already taken by trunks[0]",
        ),
        ("trunks: [{name: phones, from: [10.0.0.1]}]", "'phones' is the name of the registered softphones"),
        ("accounts: [{user: a, password: x}, {user: a, password: y}]", "'a' is already taken by accounts[0]"),
        (
            "accounts: [{user: alice, password: x, watches: [bob]}]",
            "1:49: no account is called 'bob'",
        ),
        (
            "accounts: [{user: a, password: x, watches: ['*', reception1]}, {user: reception, password: x}]",
            "no account is called 'reception1'",
        ),
        ("registrations: {min_expires: 0s}", "registrations.min_expires must be above zero"),
        ("registrations: {max_expires: 90.5}", "registrations.max_expires is in whole seconds"),
        (
            "registrations:\n  default_expires: 10s",
            "2:20: registrations: min_expires, default_expires and max_expires must",
        ),
        ("registrations: {keep_alive: 1s}", "registrations.keep_alive is 5 seconds or more, or 0"),
        ('numbers: [{number: "4001"}]', "number 4001 needs exactly one of flow, target, group and mask: true"),
        ('numbers: [{number: "4001", flow: x, mask: true}]', "number 4001 needs exactly one of"),
        ('numbers: [{number: "4003", group: support}]', "no group is called 'support'"),
        ('numbers: [{number: "4003", flow: x, failed: y}]', "failed belongs to mask: true or a group"),
        ('numbers: [{number: "40x1", flow: x}]', "'40x1' is neither a number"),
        (
            'numbers: [{number: "4001", flow: x}, {number: "4001", flow: y}]',
            "'4001' is already taken by numbers[0]",
        ),
        (
            'numbers: [{number: "4001", target: "tel:1"}]',
            "'tel:1' is not a target; write sip:user@host:port or aor:",
        ),
        ('numbers: [{number: "4001", target: "sip:a@b c"}]', "'sip:a@b c' is not a target"),
        (
            'numbers: [{number: "4001", target: "sip:{extension}@b"}]',
            "can only be filled in where extensions are",
        ),
        ('numbers: [{number: "4001", target: "aor:carol"}]', "no account is named 'carol'; there are none"),
        ('masks: [{number: "400", extension: "1", target: "sip:a@b"}]', "number 400 is not under numbers"),
        (
            NUMBER + 'masks: [{number: "4008001234", target: "sip:a@b"}]',
            "needs either extension or extensions",
        ),
        (
            NUMBER + 'masks: [{number: "4008001234", extension: "1234567", target: "sip:a@b"}]',
            "'1234567' is not an extension of 1 to 6 digits",
        ),
        (NUMBER + MASK + "}]", "needs either target or real"),
        (
            NUMBER + MASK + 'target: "sip:a@b", shown: "010"}]',
            "trunk and shown belong to real",
        ),
        (
            NUMBER + MASK + 'real: "13900001234"}]',
            "a real number needs one of the trunks, not 'None'",
        ),
        (
            TRUNK + NUMBER + MASK + 'real: "13900001234", trunk: t}]',
            "a real number needs shown",
        ),
        (
            TRUNK.replace(", to: 10.0.0.1:5060", "")
            + NUMBER
            + MASK
            + 'real: "13900001234", trunk: t, shown: "01012345678"}]',
            "trunk 't' takes no calls",
        ),
        (
            TRUNK + NUMBER + MASK + 'real: "139-secret", trunk: t, shown: "01012345678"}]',
            "the real number must be 3 to 20 digits",
        ),
        (
            TRUNK + NUMBER + MASK + 'real: "139001234", trunk: t, shown: "4008001234"}]',
            "400 and 800 numbers only take calls; show a geographic or mobile number",
        ),
        (
            NUMBER
            + 'masks:\n- {number: "4008001234", extensions: 100-200, target: "sip:a@b"}\n'
            + '- {number: "4008001234", extension: "150", target: "sip:a@b"}\n',
            "4:3: extension 150 of 4008001234 is already bound by masks[0]; an extension leads to one place",
        ),
        ("http: {host: localhost}", "'localhost' is not an IP address"),
        ('parking: {prefix: "71"}', "1:19: '71' is no feature code; a * or #, then up to 7 of 0-9, * and #; e.g. *71"),
        ('parking: {prefix: "*7a"}', "'*7a' is no feature code"),
        ("parking: {timeout: 0s}", "timeout must be above zero"),
    ],
)
def test_values_that_do_not_fit_each_other_are_named(tmp_path: Path, text: str, expected: str) -> None:
    """What each key allows on its own may still be wrong together."""
    line = failure(tmp_path, text)
    assert expected in line
    assert "139-secret" not in line


def test_a_name_for_every_address_form(tmp_path: Path) -> None:
    """Addresses, address:port, networks and IPv6 are sources of a trunk; targets take all their forms."""
    file = tmp_path / "switch.yaml"
    file.write_text(
        "trunks:\n"
        '  - {name: a, from: [10.0.0.1, "10.0.0.1:5080", 10.1.0.0/16, "2001:db8::/32"]}\n'
        '  - {name: b, from: ["[2001:db8::1]:5060"]}\n'
        "accounts: [{user: carol, password: x}]\n"
        "numbers:\n"
        '  - {number: "4001", target: "sip:a@[2001:db8::1]:5060;transport=udp"}\n'
        '  - {number: "4002", target: "aor:carol"}\n'
        '  - {number: "4003", target: "aor:dave@elsewhere.example"}\n'
        '  - {number: "+864004", mask: true}\n'
    )
    assert len(load_config(file).numbers) == 4


def test_yaml_words_keep_their_meaning(tmp_path: Path) -> None:
    """on, no, 0123 and 12:30 are texts and not booleans, octal or base 60."""
    file = tmp_path / "switch.yaml"
    file.write_text(
        "sip: {domain: on, user_agent: 12:30}\naccounts: [{user: no, password: 0123}]\nmedia: {silence: 1e1}\n"
    )
    config = load_config(file)
    assert (config.sip.domain, config.sip.user_agent, config.accounts[0].user) == ("on", "12:30", "no")
    assert config.accounts[0].password.reveal("test") == "0123"
    assert config.media.silence == 10.0


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Flows and prompts lie beside the configuration; absolute paths stay."""
    file = tmp_path / "switch.yaml"
    file.write_text("flows: [mine.yaml, /etc/flows]\nmedia: {prompts: [sounds]}\nsip: {listen: [{host: 10.0.0.1}]}\n")
    config = load_config(file)
    assert config.flows == (str(tmp_path / "mine.yaml"), "/etc/flows")
    assert config.media.prompts == (str(tmp_path / "sounds"),)
    assert config.media.address == "10.0.0.1"


def test_transports_share_a_port_and_certificates_lie_beside_the_file(tmp_path: Path) -> None:
    """UDP and TCP on 5060, TLS on 5061, as it is usual; the files of TLS are relative to the configuration."""
    file = tmp_path / "switch.yaml"
    file.write_text(
        "sip:\n  listen:\n    - {host: 10.0.0.1}\n    - {host: 10.0.0.1, transport: tcp}\n"
        "    - {host: 10.0.0.1, port: 5061, transport: tls, certificate: a.pem, key: /etc/a.key, client_ca: c.pem}\n"
        "  connections: {server_ca: s.pem, most: 100, per_source: 10, connect: 3s, idle: 1h}\n"
        "trunks: [{name: a, from: [10.0.0.2], to: '10.0.0.2:5061', transport: tls, certificate_name: a.example}]\n"
    )
    config = load_config(file)
    tls = config.sip.listen[2]
    assert (tls.certificate, tls.key) == (str(tmp_path / "a.pem"), "/etc/a.key")
    assert (tls.client_ca, config.sip.connections.server_ca) == (str(tmp_path / "c.pem"), str(tmp_path / "s.pem"))
    assert config.sip.listen[0].certificate is None
    assert (config.sip.connections.most, config.sip.connections.idle) == (100, 3600.0)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A missing file, a directory and a file that is no text are each said in one line."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"sip: {}\n\xff\xfe")
    for path, expected in (
        (tmp_path / "none.yaml", "cannot be read: no such file or directory; check the path"),
        (tmp_path, "cannot be read: is a directory"),
        (binary, "binary.yaml:2: is not UTF-8 text; save the file as UTF-8"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert expected in str(caught.value)


def test_later_checks_can_point_into_the_file(tmp_path: Path) -> None:
    """What only the application can know, such as the names of flows, is reported at its line too."""
    file = tmp_path / "switch.yaml"
    file.write_text('numbers:\n  - number: "4001"\n    flow: nope\n')
    error = config_error(file, "numbers[0].flow", "no flow is named 'nope'", "did you mean 'none'?")
    assert str(error) == f"{file}:3:11: no flow is named 'nope'; did you mean 'none'?"
    assert str(config_error(tmp_path / "gone.yaml", "numbers", "x")) == f"{tmp_path / 'gone.yaml'}: x"


def test_paths_below_the_working_directory_are_shown_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line shows the path that a person would write."""
    (tmp_path / "bad.yaml").write_text("x: 1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^bad\.yaml:1:1: unknown key 'x'"):
        load_config(tmp_path / "bad.yaml")


def test_each_slot_has_what_is_dialled_for_it(tmp_path: Path) -> None:
    """The prefix and the slot; without a prefix nothing is dialled."""
    file = tmp_path / "switch.yaml"
    file.write_text('parking: {slots: 2, prefix: "#9"}')
    assert dict(load_config(file).parking.dialled()) == {"1": "#91", "2": "#92"}
    file.write_text('parking: {prefix: ""}')
    assert dict(load_config(file).parking.dialled()) == {}
