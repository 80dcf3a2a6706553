"""`switchboard flows test`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from ivr_flows.errors import FlowError
from ivr_flows.testing.files import test_files
from ivr_flows.testing.runner import Bench, Result
from switchboard.command_line import ConfigOption, show_json
from switchboard.flows_cli.application import (
    Paths,
    ReportFormat,
    ReportOption,
    annotation,
    app,
    configured,
    counted,
    fault_fields,
    flow_places,
    line_of,
    misused,
)

_TEST_HELP: Final = """Run the tests of flows, on virtual time: a thousand take about a second.

Tests of NAME.yaml are in NAME.test.yaml beside it. Each says what is given,
what the caller does when, and what must come of it then. Secrets that were
keyed are compared, and never printed.

The status is 0 when all passed, 1 when one failed, and 2 when the command
itself is wrong.

\b
Example file, hotline.test.yaml:
  given: {caller: "13800000000", clock: "2026-03-02 10:30"}
  backend:
    - {method: POST, url: "*/identify", step: number, json: {own: true}}
    - {url: "*/orders/*", json: {status: paid}, delay: 200ms}
  tests:
    - name: order status
      when:
        - {keys: "1"}                 # as soon as keys are asked for
        - {hear: zh/enter_order}      # wait until this is played
        - {keys: "123456#"}
        - timeout                     # press nothing until the flow goes on
        - hangup
      then:
        path: [welcome, "...", order, look_up, "..."]
        heard: ["...", "订单*已付款"]
        outcome: caller_gone
        requests: [{url: "*/identify"}, {url: "*/orders/123456"}]

\b
Steps: keys, ahead, timeout, hear, until, wait, speak, hangup.
Expected: path, heard, outcome, variables, identity, trail, survey, consent,
  requests, connected, recorded, boxes, callbacks, reached.
Far end: far: [busy, {outcome: completed, after: 5s, talk: 1m}], or by node.

\b
Examples:
  switchboard flows test my_flows/
  switchboard flows test hotline.yaml -k "foreign phone"
  switchboard flows test flows/ --format json
"""


@app.command(name="test", help=_TEST_HELP)
def run_tests(
    paths: Paths,
    wanted: Annotated[str, typer.Option("-k", metavar="TEXT", help="Only tests whose names contain this.")] = "",
    config: ConfigOption = None,
    form: ReportOption = "text",
) -> None:
    """Run tests of flows."""
    bench = Bench(flow_places(configured(config)))
    try:
        files = test_files(paths)
    except FlowError as error:
        misused(str(error))
    begun = time.perf_counter()
    results: list[Result] = []
    faults: list[FlowError] = []
    for file in files:
        try:
            results += bench.run(file, wanted)
        except FlowError as error:
            faults += error.all
    taken = time.perf_counter() - begun
    if not results and not faults:
        misused(f"no test's name holds '{wanted}'")
    if form == "json":
        show_json(_fields(results, faults))
    else:
        _print(results, faults, form)
        failed = sum(not result.passed for result in results)
        bad = f", {counted(len(faults), 'fault')}" if faults else ""
        typer.echo(f"{len(results) - failed} passed, {failed} failed{bad} in {taken:.2f} s ({_files(files)})")
    raise typer.Exit(1 if faults or not all(result.passed for result in results) else 0)


def _print(results: Sequence[Result], faults: Sequence[FlowError], form: ReportFormat) -> None:
    for fault in faults:
        advice = f"; {fault.suggestion}" if fault.suggestion else ""
        note = annotation(fault.file, fault.line, fault.column, fault.code, f"{fault.message}{advice}")
        typer.echo(note if form == "github" else line_of(fault))
    for result in results:
        if not result.passed and form == "text":
            typer.echo(f"FAILED {result.file}:{result.line}: {result.name}")
        for failure in result.failures:
            lines = [failure.message]
            if failure.expected or failure.actual:
                lines += [f"expected  {failure.expected}", f"actual    {failure.actual}"]
            if form == "github":
                typer.echo(annotation(result.file, failure.line, 1, result.name, "\n".join(lines)))
            else:
                typer.echo(f"  {result.file}:{failure.line}: {lines[0]}")
                for line in lines[1:]:
                    typer.echo(f"    {line}")


def _files(files: Sequence[Path]) -> str:
    return counted(len(files), "file")


def _fields(results: Sequence[Result], faults: Sequence[FlowError]) -> dict[str, object]:
    return {
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "faults": fault_fields(faults),
        "tests": [
            {
                "file": result.file,
                "line": result.line,
                "name": result.name,
                "passed": result.passed,
                "seconds": round(result.seconds, 3),
                "failures": [
                    {
                        "line": failure.line,
                        "message": failure.message,
                        "expected": failure.expected,
                        "actual": failure.actual,
                    }
                    for failure in result.failures
                ],
            }
            for result in results
        ],
    }
