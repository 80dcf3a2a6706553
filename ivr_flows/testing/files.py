"""Files of tests: NAME.test.yaml beside NAME.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from ivr_flows.errors import FlowError
from ivr_flows.loader import FILE, SHAPE, TESTS, read_source
from ivr_flows.shape import WRONG_VALUE, read_struct
from ivr_flows.source import Source
from ivr_flows.testing.expect import Expected
from ivr_flows.testing.script import Step
from ivr_flows.testing.world import Far, Given, Reply


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One test: what is given, what the caller does when, and what must come of it then."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    given: Given = Given()
    backend: tuple[Reply, ...] = ()
    """Tried before the file's own."""
    far: Far = msgspec.field(default_factory=Far)
    when: tuple[Step, ...] = ()
    then: Expected


class TestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tests of one flow, and what they share."""

    __test__ = False

    flow: str = ""
    """The flow's name; that of the file NAME.yaml without it."""
    given: Given = Given()
    backend: tuple[Reply, ...] = ()
    far: Far = msgspec.field(default_factory=Far)
    tests: Annotated[tuple[Case, ...], msgspec.Meta(min_length=1)]


def test_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files of tests that paths stand for: of a flow's file, those beside it."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            here = sorted(path.glob(f"*{TESTS}"))
        elif path.name.endswith(TESTS):
            here = [path]
        else:
            here = [beside] if (beside := path.with_name(path.stem + TESTS)).is_file() else []
        if not here:
            raise FlowError(str(path), 0, 0, "no tests here", f"tests are files named NAME{TESTS}", code=FILE)
        found |= dict.fromkeys(here)
    return list(found)


def read_tests(path: Path) -> tuple[TestFile, Source]:
    """Read one file of tests; FlowError says what is wrong with it."""
    source, _ = read_source(path)
    faults = list(source.faults)
    if not isinstance(source.value, dict):
        raise source.error((), "expected 'tests:'", code=SHAPE)
    file = read_struct(source, TestFile, source.value, (), faults)
    if file is not None:
        names: set[str] = set()
        for index, case in enumerate(file.tests):
            if case.then.says_nothing():
                place = ("tests", index, "then")
                faults.append(source.error(place, "'then:' expects nothing", "say what must come of it", code=SHAPE))
            if case.name in names:
                message = f"'{case.name}' is there twice"
                faults.append(source.error(("tests", index, "name"), message, code=WRONG_VALUE))
            names.add(case.name)
    if faults or file is None:
        first, *others = sorted(faults, key=lambda fault: (fault.line, fault.column))
        raise FlowError(
            first.file, first.line, first.column, first.message, first.suggestion, tuple(others), code=first.code
        )
    return file, source
