"""A flow as a picture: SVG by our own layout, or text for Mermaid."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from ivr_flows.layout import GAP_Y, Point, arrange

FONT: Final = "'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', 'WenQuanYi Zen Hei', Helvetica, Arial, sans-serif"
TEXT: Final = 12.0
ROW: Final = 17.0
TAB: Final = 18.0
PAD: Final = 10.0
MARGIN: Final = 24.0
WIDEST: Final = 34  # columns of a line of text; a Chinese character takes two

COLOURS: Final = {
    "say": ("#e8f1fb", "#2f6fb0"),
    "ask": ("#fdf1dc", "#b9770e"),
    "think": ("#eeeeee", "#666666"),
    "fetch": ("#efe7f7", "#7a3fb0"),
    "connect": ("#e3f4e6", "#2e8540"),
    "end": ("#fbe6e6", "#b03030"),
}


class Box(NamedTuple):
    """One node: its name, its type, what kind of thing it is (see COLOURS), and lines that say more."""

    name: str
    type: str
    kind: str
    lines: tuple[str, ...] = ()


class Way(NamedTuple):
    """One exit: from a node, under a label, to another."""

    source: str
    label: str
    target: str


class Picture(NamedTuple):
    """What is to be drawn; `entries` name the nodes where a call comes in, the start first."""

    title: str
    entries: tuple[tuple[str, str], ...]
    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]


class _Shape(NamedTuple):
    width: float
    height: float
    lines: tuple[str, ...]
    tabs: tuple[tuple[str, str], ...]
    """Label and target of each line that leaves the box."""
    rows: tuple[tuple[str, str], ...]
    """Label and target of each exit that is only named."""


def columns(text: str) -> int:
    """Return how many columns a text takes; a wide character takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, most: int = WIDEST) -> str:
    """Return a text in one line of at most this many columns, ending in … where something is missing."""
    text = " ".join(text.split())
    if columns(text) <= most:
        return text
    kept = ""
    for char in text:
        if columns(kept + char) >= most:
            break
        kept += char
    return kept + "…"


def wrapped(text: str, most: int = WIDEST) -> list[str]:
    """Return a text in one line, or in two, of which the second may end in …."""
    text = " ".join(text.split())
    if columns(text) <= most:
        return [text]
    at = len(cut(text, most)) - 1
    return [text[:at], cut(text[at:].lstrip(), most)]


def mermaid(picture: Picture) -> str:
    """Return the picture as a Mermaid flowchart."""
    lines = ["---", f"title: {picture.title}", "---", "flowchart TD"]
    shapes = {"end": ("([", "])"), "think": ("{{", "}}"), "ask": ("[/", "/]")}
    for label, name in picture.entries:
        lines += [f'  in_{name}(("{label}")) --> n_{name}']
    for box in picture.boxes:
        opened, closed = shapes.get(box.kind, ("[", "]"))
        text = "<br>".join(
            _quoted(part)
            for part in (f"{box.name} · {box.type}", *(part for line in box.lines for part in wrapped(line)))
        )
        lines.append(f'  n_{box.name}{opened}"{text}"{closed}:::{box.kind}')
    merged = _merged(picture.ways)
    lines += [f'  n_{source} -->|"{_quoted(label)}"| n_{target}' for (source, target), label in merged.items()]
    lines += [f"  classDef {kind} fill:{fill},stroke:{line}" for kind, (fill, line) in COLOURS.items()]
    return "\n".join(lines) + "\n"


def svg(picture: Picture) -> str:
    """Return the picture as an SVG document that needs nothing else."""
    ways = _merged(picture.ways)
    boxes = {box.name: box for box in picture.boxes}
    start = picture.entries[0][1]
    layout = arrange(start, dict.fromkeys(boxes, (1.0, 1.0)), list(ways))
    shapes = {box.name: _shape(box, ways, layout.named) for box in picture.boxes}
    layout = arrange(start, {name: (shape.width, shape.height) for name, shape in shapes.items()}, list(ways))
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN + GAP_Y
    entries: dict[str, str] = {}
    for label, name in picture.entries:
        entries[name] = f"{entries[name]}, {label}" if name in entries else label
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="{FONT}" font-size="{TEXT:.0f}">',
        f"<title>{escape(picture.title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<g transform="translate({MARGIN:.0f},{MARGIN + GAP_Y:.0f})">',
    ]
    tabs = {name: _tab_places(shape, layout.places) for name, shape in shapes.items()}
    for (source, target), bends in layout.lines.items():
        x, y = layout.places[source]
        begin = (x + tabs[source][target][0], y + shapes[source].height)
        parts.append(_line([begin, *bends, layout.places[target]]))
    for box in picture.boxes:
        parts += _drawn(box, shapes[box.name], layout.places[box.name], tabs[box.name])
        if box.name in entries:
            x, y = layout.places[box.name]
            parts.append(_line([(x, y - GAP_Y * 0.7), (x, y)]))
            parts.append(_text(x, y - GAP_Y * 0.7 - 4, entries[box.name], "#2e8540", anchor="middle", bold=True))
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _merged(ways: Sequence[Way]) -> dict[tuple[str, str], str]:
    """Bring exits that lead from one node to the same other one together."""
    labels: dict[tuple[str, str], list[str]] = {}
    for way in ways:
        labels.setdefault((way.source, way.target), []).append(way.label)
    return {arrow: cut(", ".join(texts), 2 * WIDEST) for arrow, texts in labels.items()}


def _shape(box: Box, ways: dict[tuple[str, str], str], named: frozenset[tuple[str, str]]) -> _Shape:
    lines = tuple(part for line in box.lines for part in wrapped(line))
    own = [(label, target) for (source, target), label in ways.items() if source == box.name]
    tabs = tuple((label, target) for label, target in own if (box.name, target) not in named)
    rows = tuple((label, target) for label, target in own if (box.name, target) in named)
    texts = [f"{box.name}   {box.type}", *lines, *(f"{label} ↷ {target}" for label, target in rows)]
    width = max(max(map(_wide, texts)) + 2 * PAD, sum(_tab_width(label) for label, _ in tabs), 90.0)
    height = ROW * (1 + len(lines) + len(rows)) + PAD + (TAB if tabs else 0.0)
    return _Shape(width, height, lines, tabs, rows)


def _wide(text: str) -> float:
    return columns(text) * TEXT * 0.56


def _tab_width(label: str) -> float:
    return _wide(label) * 0.9 + 14.0


def _tab_places(shape: _Shape, places: dict[str, Point]) -> dict[str, tuple[float, float, str]]:
    """Return each tab's centre (from the box's centre), width and label, in the order of the targets."""
    ordered = sorted(shape.tabs, key=lambda tab: places[tab[1]][0])
    widths = [_tab_width(label) for label, _ in ordered]
    share = shape.width / len(ordered) if ordered and shape.width / len(ordered) >= max(widths) else 0.0
    edge = -shape.width / 2 if share else -sum(widths) / 2
    result = {}
    for (label, target), width in zip(ordered, widths, strict=True):
        room = share or width
        result[target] = (edge + room / 2, room, label)
        edge += room
    return result


def _line(points: Sequence[Point]) -> str:
    x, y = points[0]
    path = f"M{x:.1f},{y:.1f}"
    for to_x, to_y in points[1:]:
        bow = (to_y - y) / 2
        path += f" C{x:.1f},{y + bow:.1f} {to_x:.1f},{to_y - bow:.1f} {to_x:.1f},{to_y:.1f}"
        x, y = to_x, to_y
    return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>'


def _text(x: float, y: float, text: str, fill: str = "#222", *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _drawn(box: Box, shape: _Shape, place: Point, tabs: dict[str, tuple[float, float, str]]) -> Iterator[str]:
    fill, line = COLOURS[box.kind]
    x, y = place[0] - shape.width / 2, place[1]
    yield f'<g id="{escape(box.name)}">'
    yield (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}" rx="6" '
        f'fill="{fill}" stroke="{line}"/>'
    )
    yield _text(x + PAD, y + ROW - 2, box.name, bold=True)
    yield _text(x + shape.width - PAD, y + ROW - 2, box.type, line, anchor="end")
    base = y + ROW - 2
    for text in shape.lines:
        base += ROW
        yield _text(x + PAD, base, text, "#444")
    for label, target in shape.rows:
        base += ROW
        yield f'<a href="#{escape(target)}">{_text(x + PAD, base, f"{label} ↷ {target}", line)}</a>'
    top = y + shape.height - TAB
    for centre, width, label in tabs.values():
        left = place[0] + centre - width / 2
        yield (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{TAB:.1f}" rx="4" '
            f'fill="white" stroke="{line}" stroke-width="0.6"/>'
        )
        yield _text(place[0] + centre, top + TAB - 5, label, line, anchor="middle")
    yield "</g>"


def _quoted(text: str) -> str:
    return escape(text).replace("&quot;", "#quot;").replace("|", "/")
