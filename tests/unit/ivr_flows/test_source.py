from __future__ import annotations

import pytest

from ivr_flows.errors import FlowError
from ivr_flows.source import MAX_DEPTH, Source


class TestValues:
    """What is read."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("on: x", {"on": "x"}),
            ("a: no", {"a": "no"}),
            ("a: yes", {"a": "yes"}),
            ("a: true", {"a": True}),
            ("a: false", {"a": False}),
            ("a: ~", {"a": None}),
            ("a: null", {"a": None}),
            ("a:", {"a": None}),
            ("a: 12", {"a": 12}),
            ("a: -12", {"a": -12}),
            ("a: 0", {"a": 0}),
            ("a: 012", {"a": "012"}),
            ("a: 1.5", {"a": 1.5}),
            ("a: 1:30", {"a": "1:30"}),
            ("a: 2026-01-01", {"a": "2026-01-01"}),
            ("a: 1234567890123456789012", {"a": "1234567890123456789012"}),
            ("a: '12'", {"a": "12"}),
            ('a: "true"', {"a": "true"}),
            ("a: |\n  12\n", {"a": "12\n"}),
            ("a: [x, {b: c}]", {"a": ["x", {"b": "c"}]}),
            ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
            ("1: x", {"1": "x"}),
            ("[1, 2]", [1, 2]),
        ],
    )
    def test_value(self, text: str, value: object) -> None:
        """Scalars become what YAML 1.2 says, and quoted ones stay text."""
        assert Source(text, "f.yaml").value == value

    def test_places(self) -> None:
        """Keys and values know their line and column."""
        source = Source("a: 1\nb:\n  - {c: dd}\n", "f.yaml")
        assert source.keys["b",] == (2, 1)
        assert source.keys["b", 0, "c"] == (3, 6)
        assert source.places["b", 0, "c"] == (3, 9)

    def test_error_takes_the_nearest_place(self) -> None:
        """An error at a path that is not in the file stands at what is above it."""
        error = Source("a:\n  b: 1\n", "f.yaml").error(("a", "x", "y"), "wrong", "right")
        assert str(error) == "f.yaml:2:3: wrong; right"
        error = Source("a:\n  b: 1\n", "f.yaml").error(("a", "x"), "wrong", key=True)
        assert (error.line, error.column) == (2, 3)

    def test_key_given_twice(self) -> None:
        """A second use of a key is a fault at the second one, and the first one's value stands."""
        source = Source("a: 1\nb: 2\na: 3\n", "f.yaml")
        assert source.value == {"a": 1, "b": 2}
        assert [str(fault) for fault in source.faults] == ["f.yaml:3:1: 'a' is given twice"]


class TestRefused:
    """What is not."""

    @pytest.mark.parametrize(
        ("text", "line", "column", "reason"),
        [
            ("", 1, 1, "the file is empty"),
            ("# nothing\n", 1, 1, "the file is empty"),
            ("a: [1\nb: 2", 2, 2, "not YAML"),
            ("a: 'open", 1, 9, "not YAML"),
            ("a: *nobody", 1, 4, "not YAML"),
            ("a: 1\n---\nb: 2", 2, 1, "not YAML"),
            ("a: \x07", 1, 1, "not YAML"),
            ("a: !!python/object:os.system x", 1, 4, "tags such as"),
            ("a: !env HOME", 1, 4, "tags such as !env"),
            ("? [a]\n: 1", 1, 3, "a key must be a word"),
            ("a: " + "[" * 5000, 1, 1, "not YAML: nested too deeply"),
            ("a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), 1, 24, "nested too deeply"),
        ],
    )
    def test_refused(self, text: str, line: int, column: int, reason: str) -> None:
        """What cannot be read is refused at its line and column."""
        with pytest.raises(FlowError) as caught:
            Source(text, "f.yaml")
        assert (caught.value.line, caught.value.column) == (line, column)
        assert reason in caught.value.message

    def test_aliases_that_unfold_without_end(self) -> None:
        """A small file whose aliases multiply is refused before it fills the memory."""
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
        with pytest.raises(FlowError) as caught:
            Source("\n".join(lines), "f.yaml")
        assert "too many values" in caught.value.message

    def test_alias_of_itself(self) -> None:
        """A list that holds itself is refused."""
        with pytest.raises(FlowError) as caught:
            Source("a: &a [*a]", "f.yaml")
        assert "nested too deeply" in caught.value.message
