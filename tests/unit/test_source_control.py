"""What the control socket says to the guard of sources, and what the configuration makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loader import load_config
from switchboard.ops.control import CommandError
from switchboard.source_control import source_commands, source_guard

CONFIG = """
trunks: [{name: one, from: [198.51.100.0/24], to: "192.0.2.50:5060"}]
sources: {block: [203.0.113.0/24], failures: 1, silence: 10m, scanners: [toolbox]}
"""


def test_blocking_by_command(tmp_path: Path) -> None:
    """The list has those of the configuration, of the operator and the silenced, with what is left of their time."""
    file = tmp_path / "switch.yaml"
    file.write_text(CONFIG)
    now = 100.0
    guard = source_guard(load_config(file), lambda event, **values: None)
    commands = source_commands(guard, lambda: now)
    assert commands["block-source"]({"source": "192.0.2.7", "seconds": 90}) == "192.0.2.7/32"
    assert commands["block-source"]({"source": "2001:db8::/32", "seconds": None}) == "2001:db8::/32"
    guard.failed(("192.0.2.8", 5060), now)
    now = 110.0
    assert commands["sources"]({}) == [
        {"source": "203.0.113.0/24", "reason": "configured", "seconds": None},
        {"source": "192.0.2.7", "reason": "operator", "seconds": 80},
        {"source": "2001:db8::/32", "reason": "operator", "seconds": None},
        {"source": "192.0.2.8", "reason": "failures", "seconds": 590},
    ]
    assert commands["unblock-source"]({"source": "192.0.2.8"}) is True
    assert commands["unblock-source"]({"source": "192.0.2.8"}) is False
    for wrong in ({}, {"source": 7}, {"source": "everybody"}, {"source": "198.51.100.9"}, {"source": "192.0.2.50"}):
        with pytest.raises(CommandError):
            commands["block-source"](wrong)
    assert guard.turns_away(("192.0.2.9", 1), "ToolBox 2", now)


@pytest.mark.parametrize(
    "wrong", ["{block: [somebody]}", "{block: [203.0.113.9/24]}", "{window: 0s}", "{rate: 0}", "{failures: 0}"]
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, wrong: str) -> None:
    """With its place in the file."""
    file = tmp_path / "switch.yaml"
    file.write_text(f"sources: {wrong}\n")
    with pytest.raises(ConfigError, match=r"switch\.yaml:1:[0-9]+: "):
        load_config(file)
