"""The shipped configurations against the shipped flows."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.loader import DEFAULT, load_config
from ivr_flows.actions import Transfer
from ivr_flows.events import Digit
from ivr_flows.loader import LIBRARY, load_library
from ivr_flows.machine import start, step


@pytest.mark.parametrize("file", [DEFAULT, DEFAULT.with_name("bench.yaml")], ids=lambda file: file.name)
def test_every_flow_named_is_in_the_library(file: Path) -> None:
    """A number never leads to a flow that does not exist."""
    config = load_config(file)
    named = {entry.flow for entry in config.numbers if entry.flow is not None}
    assert named
    assert named <= load_library([LIBRARY, *map(Path, config.flows)]).keys()


def test_four_digits_puts_the_caller_through_after_the_fourth() -> None:
    """4002 of the load tests: any four digits lead to the agent, three lead nowhere."""
    flow = load_library([LIBRARY])["four_digits"]
    position, _ = start(flow, {"called": "4002"}, 0.0)
    transfers: list[int] = []
    for count, digit in enumerate("4271", start=1):
        position, actions = step(flow, position, Digit(digit), float(count))
        transfers += [
            count for action in actions if isinstance(action, Transfer) and action.target == "sip:agent@127.0.0.1:5190"
        ]
    assert transfers == [4]
