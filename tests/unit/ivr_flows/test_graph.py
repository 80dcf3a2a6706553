from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ivr_flows.graph import backwards, circles, reach, shortest

NODES = "abcdefg"
GRAPHS = st.fixed_dictionaries({node: st.frozensets(st.sampled_from(NODES), max_size=3) for node in NODES})
Graph = dict[str, frozenset[str]]


def leads(graph: Graph, start: str, end: str) -> bool:
    """Whether a way of at least one step leads there."""
    return any(end in reach(graph, [first]) for first in graph[start])


class TestGraph:
    """Ways between nodes."""

    @given(GRAPHS)
    def test_circles(self, graph: Graph) -> None:
        """Nodes are in one circle when each leads to the other, and a node alone when it leads to itself."""
        groups = circles(graph)
        for node in NODES:
            mates = [other for other in graph if leads(graph, node, other) and leads(graph, other, node)]
            found = [group for group in groups if node in group]
            assert found == ([mates] if mates else [])

    @given(GRAPHS)
    def test_shortest(self, graph: Graph) -> None:
        """A way begins and ends where it should, goes along the graph, and is there exactly when the end is reached."""
        for end in NODES:
            way = shortest(graph, ["a"], end)
            assert bool(way) == (end in reach(graph, ["a"]))
            assert not way or (way[0], way[-1]) == ("a", end)
            assert all(right in graph[left] for left, right in pairwise(way))
            assert len(way) == len(set(way))

    @given(GRAPHS)
    def test_backwards(self, graph: Graph) -> None:
        """Turned round twice, a graph is itself."""
        assert backwards(backwards(graph)) == graph

    def test_long_chain(self) -> None:
        """A circle of thousands of nodes needs no recursion."""
        chain = {str(n): frozenset({str((n + 1) % 5000)}) for n in range(5000)}
        assert [len(group) for group in circles(chain)] == [5000]
