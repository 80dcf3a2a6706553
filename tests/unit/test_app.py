"""Putting the parts together, as far as it needs no process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.errors import ConfigError
from config.loader import load_config
from switchboard.flow_files import load_flows
from switchboard.ops.health import Health
from switchboard.switch_metrics import check_switch


def test_a_number_that_leads_to_no_flow_is_refused(tmp_path: Path) -> None:
    """Its line is named with the flow that was probably meant, or with all there are."""
    file = tmp_path / "switch.yaml"
    file.write_text('numbers:\n  - {number: "4008001234", flow: extension}\n  - {number: "4001", flow: extensoin}\n')
    with pytest.raises(ConfigError) as caught:
        load_flows(load_config(file), file)
    assert str(caught.value).startswith(f"{file}:3:")
    assert "no flow is called 'extensoin'; did you mean 'extension'?" in str(caught.value)
    file.write_text('numbers:\n  - {number: "4001", flow: zzz}\n')
    with pytest.raises(ConfigError, match=r"known here: .*extension"):
        load_flows(load_config(file), file)


def test_numbers_that_lead_to_flows_are_taken(tmp_path: Path) -> None:
    """Packaged flows and one's own."""
    own = tmp_path / "own.yaml"
    own.write_text("flow: own\nanswer: now\nstart: bye\nnodes:\n  bye: {type: hangup, cause: normal}\n")
    file = tmp_path / "switch.yaml"
    file.write_text(
        'flows: [own.yaml]\nnumbers:\n  - {number: "4001", flow: own}\n  - {number: "4004", flow: hold_music}\n'
    )
    assert {"own", "hold_music"} <= set(load_flows(load_config(file), file))


def test_records_that_stay_in_the_journal_are_a_reason() -> None:
    """Nothing is lost, and calls go on, but nobody can read them: the disk is full, or the database damaged."""
    journal, loader = SimpleNamespace(failing=False), SimpleNamespace(fault="")
    plane = SimpleNamespace(counts=dict)
    switch: Any = SimpleNamespace(
        health=Health(), store=SimpleNamespace(journal=journal, loader=loader), edge=None, plane=plane,
        workers=SimpleNamespace(states=dict), exchange=SimpleNamespace(calls={}),
    )  # fmt: skip
    check_switch(switch)
    assert switch.health.report().status == "ok"
    loader.fault = "SQLITE_FULL"
    report = switch.health.report()
    assert (report.status, report.reasons) == ("degraded", ["database: records cannot be loaded (SQLITE_FULL)"])
