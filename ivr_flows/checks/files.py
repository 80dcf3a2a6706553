"""Files of flows, checked each by itself and together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ivr_flows.checks import check
from ivr_flows.checks.library import check_library
from ivr_flows.checks.prompts import Sounds, check_prompts
from ivr_flows.errors import FlowError
from ivr_flows.loader import FILE, LIBRARY, SAME_NAME, TESTS, read_flow
from ivr_flows.model import Flow
from ivr_flows.source import Source


class Checked(NamedTuple):
    """What came of checking files."""

    files: tuple[Path, ...]
    flows: dict[str, Flow]
    """Those of the files that could be read, by name; not linked."""
    faults: tuple[FlowError, ...]
    """In the order of files and lines."""


def flow_files(paths: Iterable[Path]) -> list[Path]:
    """Return the flow files that paths stand for; FlowError for a directory without any."""
    found: dict[Path, None] = {}
    for path in paths:
        here = [path]
        if path.is_dir():
            here = [file for file in sorted(path.glob("*.yaml")) if not file.name.endswith(TESTS)]
            if not here:
                raise FlowError(str(path), 0, 0, "no flow here", "flows are files named *.yaml", code=FILE)
        found |= dict.fromkeys(here)
    return list(found)


def check_files(files: Sequence[Path], sounds: Sounds | None = None, beside: Sequence[Path] = (LIBRARY,)) -> Checked:
    """Check files; sub-flows are looked for among them, then in their directories, then in those `beside`.

    Prompts are looked for where `sounds` says, if it is given.
    """
    flows: dict[str, Flow] = {}
    sources: dict[str, Source] = {}
    faults: dict[str, list[FlowError]] = {}
    for file in files:
        try:
            flow, source = read_flow(file, checked=False)
        except FlowError as error:
            faults[error.file] = list(error.all)
            continue
        found = faults[flow.file] = check(flow, source)
        if sounds is not None:
            found += check_prompts(flow, source, sounds)
        if flow.name in flows:
            message = f"flow '{flow.name}' is also in {flows[flow.name].file}"
            found.append(source.error(("flow",), message, "give it a name of its own", code=SAME_NAME))
        else:
            flows[flow.name], sources[flow.name] = flow, source
    for fault in check_library(_neighbours(files, beside) | flows, sources):
        if fault.file in faults:
            faults[fault.file].append(fault)
    ordered = [sorted(found, key=lambda fault: (fault.line, fault.column)) for found in faults.values()]
    return Checked(tuple(files), flows, tuple(fault for found in ordered for fault in found))


def _neighbours(files: Sequence[Path], beside: Sequence[Path]) -> dict[str, Flow]:
    """Return the flows that those to be checked may enter; bad ones are told when they are checked themselves."""
    known: dict[str, Flow] = {}
    for directory in dict.fromkeys([*beside, *(file.resolve().parent for file in files)]):
        for file in sorted(directory.glob("*.yaml")):
            if not file.name.endswith(TESTS):
                try:
                    flow, _ = read_flow(file)
                except FlowError:
                    continue
                known[flow.name] = flow
    return known
