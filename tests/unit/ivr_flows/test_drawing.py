from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr_flows.drawing import COLOURS, columns, cut, mermaid, svg, wrapped
from ivr_flows.layout import GAP_X, GAP_Y, arrange
from ivr_flows.loader import parse_flow
from ivr_flows.picture import picture
from tests.support.library import LIBRARY

SVG = "{http://www.w3.org/2000/svg}"
NAMES = tuple("abcdefghijkl")
ARROWS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=40)
SIZES = st.fixed_dictionaries({name: st.tuples(st.floats(40, 300), st.floats(20, 120)) for name in NAMES})


class TestLayout:
    """Where boxes and lines go."""

    @given(SIZES, ARROWS)
    def test_any_graph(self, sizes: dict[str, tuple[float, float]], arrows: list[tuple[str, str]]) -> None:
        """No two boxes touch, every arrow is drawn or named, and those that are drawn lead down."""
        layout = arrange("a", sizes, arrows)
        assert layout.places.keys() == sizes.keys()
        for one, other in combinations(NAMES, 2):
            (x1, y1), (x2, y2) = layout.places[one], layout.places[other]
            aside = abs(x1 - x2) >= (sizes[one][0] + sizes[other][0]) / 2 + GAP_X - 0.01
            upper, lower = ((one, y1), y2) if y1 < y2 else ((other, y2), y1)
            assert aside or upper[1] + sizes[upper[0]][1] + GAP_Y <= lower + 0.01
        assert layout.lines.keys() | layout.named == set(arrows)
        assert not layout.lines.keys() & layout.named
        for (source, target), bends in layout.lines.items():
            heights = [layout.places[source][1] + sizes[source][1], *[y for _, y in bends], layout.places[target][1]]
            assert heights == sorted(heights)
        assert all(0 <= x <= layout.width and 0 <= y < layout.height for x, y in layout.places.values())

    def test_back_and_far(self) -> None:
        """What leads back is named, and so is what leaps far to where many lead; the rest is drawn."""
        chain = list(zip("abcdef", "bcdefg", strict=False))
        layout = arrange("a", dict.fromkeys("abcdefg", (50.0, 20.0)), [*chain, ("e", "b"), ("a", "g"), ("b", "g")])
        assert layout.named == {("e", "b"), ("a", "g"), ("b", "g")}

    def test_straight(self) -> None:
        """A chain is drawn straight down."""
        layout = arrange("a", {"a": (50, 20), "b": (150, 20), "c": (90, 20)}, [("a", "b"), ("b", "c")])
        assert len({x for x, _ in layout.places.values()}) == 1


class TestPictures:
    """Flows as pictures."""

    @pytest.mark.parametrize("name", LIBRARY)
    def test_svg(self, name: str) -> None:
        """The picture is XML, has a box for each node, and every exit is told, as a line's label or with its target."""
        shown = picture(LIBRARY[name])
        root = ElementTree.fromstring(svg(shown))
        boxes = {group.get("id"): group for group in root.iter(f"{SVG}g") if group.get("id")}
        assert boxes.keys() == LIBRARY[name].nodes.keys()
        lines = [path for path in root.iter(f"{SVG}path") if path.get("marker-end")]
        texts = {box: [text.text or "" for text in group.iter(f"{SVG}text")] for box, group in boxes.items()}
        merged: dict[tuple[str, str], list[str]] = {}
        for way in shown.ways:
            merged.setdefault((way.source, way.target), []).append(way.label)
        drawn = 0
        for (source, target), labels in merged.items():
            label = cut(", ".join(labels), 68)
            assert label in texts[source] or f"{label} ↷ {target}" in texts[source]
            drawn += label in texts[source]
        assert len(lines) == drawn + len(shown.entries)

    def test_texts_stay_within_their_boxes(self) -> None:
        """No box is narrower than its lines, wide characters counted twice."""
        root = ElementTree.fromstring(svg(picture(LIBRARY["hotline"], lambda name: "您好" * 40)))
        for group in root.iter(f"{SVG}g"):
            if group.get("id"):
                outline = next(group.iter(f"{SVG}rect"))
                widest = max(columns(text.text or "") for text in group.iter(f"{SVG}text"))
                assert float(outline.get("width", "0")) > widest * 6

    def test_mermaid(self) -> None:
        """Each node and each way stands in a line of its own, without characters that Mermaid takes for its own."""
        text = mermaid(picture(LIBRARY["extension"]))
        assert text.startswith("---\ntitle: extension\n---\nflowchart TD\n")
        for name in LIBRARY["extension"].nodes:
            assert f"  n_{name}" in text
        assert '  n_ask -->|"timeout"| n_silent\n' in text
        assert '  in_dialled(("call comes in")) --> n_dialled\n' in text
        assert text.count("classDef") == len(COLOURS)

    def test_marks_of_languages(self) -> None:
        """Texts with marks of XML and Mermaid are shown as they are."""
        flow = parse_flow(
            "flow: f\nstart: a\nnodes:\n  a: {type: say, text: '<b> \"&\" | {called}', next: b}\n  b: {type: hangup}\n",
            "f",
        )
        texts = [text.text for text in ElementTree.fromstring(svg(picture(flow))).iter(f"{SVG}text")]
        assert '<b> "&" | {called}' in texts
        assert "&lt;b&gt; #quot;&amp;#quot; / {called}" in mermaid(picture(flow))

    def test_what_prompts_say(self) -> None:
        """A prompt's text is shown where it is known, else its name."""
        said = picture(LIBRARY["four_digits"], {"zh/enter_digits": "请输入"}.get)  # type: ignore[arg-type]
        assert [box.lines for box in said.boxes if box.name == "digits"] == [("4 digits → digits", "请输入")]
        named = picture(LIBRARY["four_digits"])
        assert [box.lines[-1] for box in named.boxes if box.name == "digits"] == ["zh/enter_digits"]

    def test_exits_to_nowhere(self) -> None:
        """A flow with faults is drawn as far as it goes."""
        text = "flow: f\nstart: a\non_hangup: gone\nnodes:\n  a: {type: goto, next: nowhere}\n"
        shown = picture(parse_flow(text, "f", checked=False))
        assert (shown.entries, shown.ways) == ((("call comes in", "a"),), ())
        assert "<svg" in svg(shown)


class TestText:
    """Texts in few columns."""

    def test_columns(self) -> None:
        """Chinese takes two columns a character."""
        assert columns("a您好。") == 7

    @given(st.text(), st.integers(4, 40))
    def test_cut(self, text: str, most: int) -> None:
        """A text is one line of the columns there are, whole if it fits."""
        short = cut(text, most)
        assert columns(short) <= most
        assert "\n" not in short
        plain = " ".join(text.split())
        assert short == plain or (short.endswith("…") and plain.startswith(short[:-1]))

    @given(st.text(), st.integers(4, 40))
    def test_wrapped(self, text: str, most: int) -> None:
        """Two lines hold twice as much, and nothing in between is lost."""
        lines = wrapped(text, most)
        assert len(lines) <= 2
        assert all(columns(line) <= most for line in lines)
        plain = "".join(text.split())
        assert plain.startswith("".join("".join(lines).removesuffix("…").split()))
