"""`switchboard check`, and what a start says, of files that the configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.errors import ConfigError
from config.loader import load_config
from switchboard.cli import app
from switchboard.signalling import open_log
from tests.support.certificates import Authority

LISTEN = """\
sip:
  listen:
    - {{host: 127.0.0.1, port: 5060}}
    - {{host: 127.0.0.1, port: 5061, transport: tls, certificate: {certificate}, key: {key}}}
"""


def test_a_certificate_that_cannot_be_used_is_found(tmp_path: Path) -> None:
    """With the place of its entry; one that can be used is fine."""
    authority = Authority(tmp_path)
    one, other = authority.sign("one"), authority.sign("other")
    file = tmp_path / "my.yaml"
    for certificate, key, reason in (
        (tmp_path / "none", one.key, "no such file or directory"),
        (one.certificate, other.key, "do not belong together"),
        (one.certificate, one.key, ""),
    ):
        file.write_text(LISTEN.format(certificate=certificate, key=key))
        result = CliRunner().invoke(app, ["check", "--config", str(file)])
        assert result.exit_code == (1 if reason else 0)
        assert reason in result.output
        assert ("my.yaml:4:" in result.output) == bool(reason)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """File, line and reason."""
    (tmp_path / "plain").write_text("")
    file = tmp_path / "my.yaml"
    file.write_text(f"log: {{file: {tmp_path}/plain/switch.log}}\n")
    with pytest.raises(ConfigError, match=r"my\.yaml:1:\d+: .*plain/switch\.log cannot be written: "):
        open_log(load_config(file), file)
