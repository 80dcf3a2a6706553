"""Where to draw boxes and arrows: layers from top to bottom, few crossings, straight lines where they can be.

Arrows that lead back, and those that leap over many layers to a box everybody leads to, are not drawn as lines:
the box they leave names their target instead. What is left fits a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

GAP_X: Final = 28.0
GAP_Y: Final = 46.0
LEAP: Final = 2
"""An arrow over more layers than this, to a box with `CROWD` arrows, is named instead of drawn."""
CROWD: Final = 3
SWEEPS: Final = 12

Arrow = tuple[str, str]
Point = tuple[float, float]


class Layout(NamedTuple):
    """Centres of the boxes' tops, and the lines between them."""

    places: dict[str, Point]
    lines: dict[Arrow, list[Point]]
    """Points an arrow passes between the box it leaves and the one it enters, two for each layer it leaps over."""
    named: frozenset[Arrow]
    """Arrows that are not drawn."""
    width: float
    height: float


def split(start: str, names: Sequence[str], arrows: Sequence[Arrow]) -> tuple[dict[str, int], frozenset[Arrow]]:
    """Return each box's layer, and the arrows that are named instead of drawn."""
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in arrows:
        if target not in after[source]:
            after[source].append(target)
    back = _back(start, names, after)
    forward = [arrow for arrow in dict.fromkeys(arrows) if arrow not in back]
    layers = _layers(names, forward)
    crowd = {name: sum(target == name for _, target in forward) for name in names}
    leaps = {
        (source, target)
        for source, target in forward
        if layers[target] - layers[source] > LEAP and crowd[target] >= CROWD
    }
    return layers, frozenset(back | leaps)


def arrange(start: str, sizes: Mapping[str, tuple[float, float]], arrows: Sequence[Arrow]) -> Layout:
    """Place boxes of these widths and heights; `arrows` lead from box to box, the first ones leftmost."""
    layers, named = split(start, list(sizes), arrows)
    widths = {name: size[0] for name, size in sizes.items()}
    rows: list[list[str]] = [[] for _ in range(max(layers.values()) + 1)]
    for name in _walk(start, sizes, arrows):
        rows[layers[name]].append(name)
    links: list[Arrow] = []
    chains: dict[Arrow, list[str]] = {}
    for arrow in dict.fromkeys(arrows):
        if arrow in named:
            continue
        chain = [arrow[0]]
        for layer in range(layers[arrow[0]] + 1, layers[arrow[1]]):
            bend = f"{arrow[0]}\0{arrow[1]}\0{layer}"
            widths[bend] = 2.0
            rows[layer].append(bend)
            chain.append(bend)
        chains[arrow] = [*chain, arrow[1]]
        links += pairwise(chains[arrow])
    rows = _ordered(rows, links)
    x = _columns(rows, links, widths)
    tops, y = [], 0.0
    heights = [max((sizes[name][1] for name in row if name in sizes), default=0.0) for row in rows]
    for height in heights:
        tops.append(y)
        y += height + GAP_Y
    left = min(x[name] - widths[name] / 2 for name in sizes)
    level = {name: index for index, row in enumerate(rows) for name in row}
    lines: dict[Arrow, list[Point]] = {arrow: [] for arrow in chains}
    for arrow, chain in chains.items():
        for bend in chain[1:-1]:
            top = tops[level[bend]]
            lines[arrow] += [(x[bend] - left, top), (x[bend] - left, top + heights[level[bend]])]
    return Layout(
        places={name: (x[name] - left, tops[level[name]]) for name in sizes},
        lines=lines,
        named=named,
        width=max(x[name] + widths[name] / 2 for name in sizes) - left,
        height=y - GAP_Y,
    )


def _walk(start: str, names: Iterable[str], arrows: Sequence[Arrow]) -> list[str]:
    """Return every box in the order in which the arrows lead to it, those nobody leads to last."""
    after: dict[str, list[str]] = {}
    for source, target in arrows:
        after.setdefault(source, []).append(target)
    seen: dict[str, None] = {}
    todo = [*reversed(list(names)), start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen[name] = None
            todo += reversed(after.get(name, []))
    return list(seen)


def _back(start: str, names: Sequence[str], after: Mapping[str, list[str]]) -> set[Arrow]:
    """Return the arrows that close a circle, walking from the start."""
    back: set[Arrow] = set()
    done: set[str] = set()
    for root in (start, *names):
        path: dict[str, list[str]] = {}
        todo = [root] if root not in done else []
        while todo:
            name = todo[-1]
            if name not in path:
                path[name] = list(after[name])
            if path[name]:
                target = path[name].pop(0)
                if target in path:
                    back.add((name, target))
                elif target not in done:
                    todo.append(target)
            else:
                done.add(todo.pop())
                del path[name]
    return back


def _layers(names: Sequence[str], forward: Sequence[Arrow]) -> dict[str, int]:
    """Return the longest way to each box; no circles are left in `forward`."""
    before: dict[str, list[str]] = {name: [] for name in names}
    for source, target in forward:
        before[target].append(source)
    layers: dict[str, int] = {}
    todo = list(names)
    while todo:
        name = todo[-1]
        missing = [source for source in before[name] if source not in layers]
        if missing:
            todo += missing
        else:
            layers[name] = max((layers[source] + 1 for source in before[name]), default=0)
            todo.pop()
    return layers


def _ordered(rows: list[list[str]], links: Sequence[Arrow]) -> list[list[str]]:
    """Reorder each layer so that few lines cross: by the mean place of the neighbours, down and up in turn."""
    above: dict[str, list[str]] = {name: [] for row in rows for name in row}
    below: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for source, target in links:
        below[source].append(target)
        above[target].append(source)
    best, fewest = rows, _crossings(rows, below)
    for sweep in range(2 * SWEEPS):
        near = below if sweep % 2 else above
        rows = [list(row) for row in rows]
        at = {name: float(index) for row in rows for index, name in enumerate(row)}
        for row in reversed(rows) if sweep % 2 else rows:
            means = {
                name: sum(at[other] for other in near[name]) / len(near[name]) if near[name] else at[name]
                for name in row
            }
            row.sort(key=means.__getitem__)
            at.update({name: float(index) for index, name in enumerate(row)})
        count = _crossings(rows, below)
        if count < fewest:
            best, fewest = rows, count
    return best


def _crossings(rows: list[list[str]], below: Mapping[str, list[str]]) -> int:
    count = 0
    for upper, lower in pairwise(rows):
        at = {name: index for index, name in enumerate(lower)}
        ends: list[int] = []
        for name in upper:
            targets = sorted(at[target] for target in below[name])
            count += sum(sum(end > target for end in ends) for target in targets)
            ends += targets
    return count


def _columns(rows: list[list[str]], links: Sequence[Arrow], widths: Mapping[str, float]) -> dict[str, float]:
    """Return each centre: as near the mean of the neighbours' as the layer's order and widths allow."""
    near: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for source, target in links:
        near[0].setdefault(target, []).append(source)
        near[1].setdefault(source, []).append(target)
    x: dict[str, float] = {}
    for row in rows:
        edge = 0.0
        for name in row:
            x[name] = edge + widths[name] / 2
            edge += widths[name] + GAP_X
    for sweep in range(2 * SWEEPS + 1):
        for row in reversed(rows) if sweep % 2 else rows:
            wanted = []
            for name in row:
                others = near[sweep % 2].get(name) or near[1 - sweep % 2].get(name) or [name]
                wanted.append(sum(x[other] for other in others) / len(others))
            x.update(zip(row, _spread(wanted, [widths[name] for name in row]), strict=True))
    return x


def _spread(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Return the places nearest to the wanted ones (least squares) that keep order and distance.

    With the distances taken off, it is isotonic regression: neighbours in the wrong order share their mean.
    """
    offsets = [0.0]
    for left, right in pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + GAP_X)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, members = pools.pop()
            total, count = total + more, count + members
        pools.append((total, count))
    means = [total / count for total, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
