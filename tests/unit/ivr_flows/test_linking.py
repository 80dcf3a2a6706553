from __future__ import annotations

from pathlib import Path

import pytest

from ivr_flows.errors import FlowError
from ivr_flows.linking import link, link_faults, reachable
from ivr_flows.loader import load_library, parse_flow
from ivr_flows.model import Flow

OUTER = """\
flow: outer
start: a
nodes:
  a:
    type: subflow
    flow: inner
    with: {amount: 5}
    results: {total: sum}
    next: b
  b: {type: hangup}
"""
INNER = """\
flow: inner
parameters: [amount]
results: [sum]
start: a
nodes:
  a: {type: return, results: {sum: amount}}
"""


def read(*texts: str) -> dict[str, Flow]:
    """Return flows by name, not linked."""
    flows = [parse_flow(text, "f.yaml") for text in texts]
    return {flow.name: flow for flow in flows}


def through(name: str, *others: str) -> str:
    """Return a flow that enters others."""
    nodes = "".join(f"  s{n}: {{type: subflow, flow: {other}, next: s{n + 1}}}\n" for n, other in enumerate(others))
    return f"flow: {name}\nstart: s0\nnodes:\n{nodes}  s{len(others)}: {{type: return}}\n"


class TestLink:
    """Flows that enter each other."""

    def test_subflows(self) -> None:
        """A flow has those it enters, and a flow that enters none has none."""
        flows = link(read(OUTER, INNER))
        assert set(flows["outer"].subflows) == {"inner"}
        assert flows["inner"].subflows == {}

    def test_at_any_depth(self) -> None:
        """Those that they enter belong to it as well."""
        flows = link(read(through("a", "b"), through("b", "c"), through("c")))
        assert set(flows["a"].subflows) == {"b", "c"}
        assert set(reachable(flows["b"], flows)) == {"c"}

    def test_circle(self) -> None:
        """A circle can be linked; checking refuses it, and the machine stands it."""
        flows = link(read(through("a", "b"), through("b", "a")))
        assert set(flows["a"].subflows) == {"a", "b"}

    def test_version_covers_all(self) -> None:
        """A change in a sub-flow is a new version of the flows around it, and of those only."""
        first = link(read(through("a", "b"), through("b", "c"), through("c"), through("d")))
        second = link(read(through("a", "b"), through("b", "c"), through("c") + "# changed\n", through("d")))
        changed = {name for name in first if first[name].version != second[name].version}
        assert changed == {"a", "b", "c"}

    def test_unlinked_version(self) -> None:
        """A flow without sub-flows keeps the version of its text."""
        flows = read(INNER)
        assert link(flows)["inner"].version == flows["inner"].version


def changed(old: str, new: str) -> str:
    """Return the outer flow with one change, which must apply."""
    assert old in OUTER
    return OUTER.replace(old, new)


CASES = [
    (changed("flow: inner", "flow: iner"), "6:11: no flow 'iner'; did you mean 'inner'?", "unknown-flow"),
    (
        changed("amount: 5", "amuont: 5"),
        "7:12: 'inner' has no parameter 'amuont'; did you mean 'amount'?",
        "parameters",
    ),
    (changed("    with: {amount: 5}\n", ""), "5:5: parameters of 'inner' not given: amount", "parameters"),
    (changed("total: sum", "total: summ"), "8:15: 'inner' returns no 'summ'; did you mean 'sum'?", "results"),
]


class TestFaults:
    """What does not fit between flows."""

    @pytest.mark.parametrize(("text", "expected", "code"), CASES, ids=[case[1] for case in CASES])
    def test_fault(self, tmp_path: Path, text: str, expected: str, code: str) -> None:
        """Each is named at its place in the flow that is wrong."""
        (tmp_path / "inner.yaml").write_text(INNER, encoding="utf-8")
        (tmp_path / "outer.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(FlowError) as caught:
            load_library([tmp_path])
        lines = [str(fault).removeprefix(f"{tmp_path}/outer.yaml:") for fault in caught.value.all]
        assert expected in lines
        assert code in {fault.code for fault in caught.value.all}

    def test_all_are_told(self) -> None:
        """Every fault is found, and without a source it names file and node."""
        flows = read(through("a", "x"), through("b", "y"))
        assert [str(fault) for fault in link_faults(flows)] == [
            "f.yaml: s0: no flow 'x'",
            "f.yaml: s0: no flow 'y'",
        ]
        with pytest.raises(FlowError) as caught:
            link(flows)
        assert len(caught.value.all) == 2
