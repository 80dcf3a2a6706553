"""Prompts that are missing are known before anybody calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.loader import load_config
from ivr_flows.errors import FlowError
from switchboard.flow_files import load_flows
from switchboard.prompt_names import PromptNames

FLOW = """
flow: mine
start: a
nodes:
  a: {type: play, prompts: [PROMPT], next: b}
  b: {type: hangup, prompts: ["tone:busy"]}
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [("zh/welcome", ""), ("tone:ringback", ""), ("zh/welcom", "zh/welcome"), ("nowhere/at_all", "add the file")],
)
def test_a_missing_prompt_is_told_with_what_to_write(name: str, message: str) -> None:
    """By the packaged directory alone."""
    fault = PromptNames([]).fault(name)
    assert (fault is None) == (message == "")
    assert fault is None or message in fault[2]


def test_a_flow_with_a_missing_prompt_does_not_go_live(tmp_path: Path) -> None:
    """At the start and at a reload alike: file, line and column are named."""
    (tmp_path / "mine.yaml").write_text(FLOW.replace("PROMPT", "own/hello"))
    (tmp_path / "switch.yaml").write_text(f"flows: [{tmp_path / 'mine.yaml'}]\nmedia: {{prompts: [{tmp_path}]}}\n")
    config = load_config(tmp_path / "switch.yaml")
    with pytest.raises(FlowError, match=r"mine.yaml:5:29: there is no prompt 'own/hello'"):
        load_flows(config)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "hello.wav").write_bytes(b"RIFF")
    assert "mine" in load_flows(config)
