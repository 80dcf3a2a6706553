"""Tests of flows, run one after another on virtual time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ivr_flows.errors import FlowError, did_you_mean
from ivr_flows.linking import UNKNOWN_FLOW, reachable
from ivr_flows.loader import LIBRARY, TESTS, link, read_flow
from ivr_flows.model import Flow
from ivr_flows.source import Path as Place
from ivr_flows.source import Source
from ivr_flows.testing.call import VirtualCall
from ivr_flows.testing.expect import Difference
from ivr_flows.testing.files import Case, TestFile, read_tests
from ivr_flows.testing.script import run_out


class Failure(msgspec.Struct, frozen=True):
    """Why a test failed, and at which line of its file."""

    line: int
    message: str
    expected: str = ""
    actual: str = ""


class Result(msgspec.Struct, frozen=True):
    """What came of a test."""

    file: str
    line: int
    name: str
    failures: tuple[Failure, ...]
    seconds: float
    """Of the call's own time."""

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.failures


class Bench:
    """Flows to be tested, read once each and linked to those beside them."""

    def __init__(self, beside: Sequence[Path] = (LIBRARY,)) -> None:
        self._beside = beside
        self._libraries: dict[Path, tuple[dict[str, Flow], dict[Path, str]]] = {}

    def run(self, path: Path, wanted: str = "") -> Iterator[Result]:
        """Run the tests of a file whose names hold a text; FlowError when they, or the flow, cannot be read."""
        file, source = read_tests(path)
        chosen = [(index, case) for index, case in enumerate(file.tests) if wanted.lower() in case.name.lower()]
        if chosen:
            flow = self._flow(path, file, source)
            for index, case in chosen:
                yield run_case(flow, file, case, source, ("tests", index))

    def flow(self, path: Path) -> Flow:
        """Return the flow of a file, linked; FlowError says what is wrong with it or its sub-flows."""
        flows, names = self._library(path.resolve().parent)
        if path.resolve() not in names:
            read_flow(path)  # says what is wrong with it
        return _linked(flows, names[path.resolve()])

    def _flow(self, path: Path, file: TestFile, source: Source) -> Flow:
        if not file.flow:
            return self.flow(path.with_name(path.name.removesuffix(TESTS) + ".yaml"))
        flows, _ = self._library(path.resolve().parent)
        if file.flow not in flows:
            advice = did_you_mean(file.flow, flows)
            raise source.error(("flow",), f"no flow '{file.flow}'", advice, code=UNKNOWN_FLOW)
        return _linked(flows, file.flow)

    def _library(self, directory: Path) -> tuple[Mapping[str, Flow], Mapping[Path, str]]:
        """Return the flows that tests in a directory may enter, and which file holds which."""
        if directory not in self._libraries:
            flows: dict[str, Flow] = {}
            names: dict[Path, str] = {}
            for place in dict.fromkeys([*self._beside, directory]):
                for file in sorted(place.glob("*.yaml")):
                    if file.name.endswith(TESTS):
                        continue
                    try:
                        flow, _ = read_flow(file)
                    except FlowError:
                        continue
                    flows[flow.name] = flow
                    names[file.resolve()] = flow.name
            self._libraries[directory] = flows, names
        return self._libraries[directory]


def _linked(flows: Mapping[str, Flow], name: str) -> Flow:
    flow = flows[name]
    return link({name: flow} | reachable(flow, flows))[name]


def run_case(flow: Flow, file: TestFile, case: Case, source: Source, place: Place) -> Result:
    """Run one test of a flow."""
    call = VirtualCall(flow, case.given.over(file.given), (*case.backend, *file.backend), case.far or file.far)
    failures: list[Failure] = []
    for index, step in enumerate(case.when):
        if problem := step.perform(call):
            failures.append(Failure(_line(source, (*place, "when", index)), call.masked(f"{step.does}: {problem}")))
            break
    line = _line(source, place)
    if problem := run_out(call):
        failures.append(Failure(line, problem))
    failures += [Failure(line, call.masked(problem)) for problem in call.problems]
    for name, difference in case.then.differences(call):
        failures.append(_failure(_line(source, (*place, "then", name)), difference))
    return Result(source.file, line, case.name, tuple(failures), call.now)


def _failure(line: int, difference: Difference) -> Failure:
    return Failure(line, f"{difference.what} is not as expected", difference.expected, difference.actual)


def _line(source: Source, place: Place) -> int:
    return (source.keys.get(place) or source.places[place])[0]
