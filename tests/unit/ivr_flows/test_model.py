from __future__ import annotations

import pytest

from ivr_flows.model import NODE_TYPES, Duration, NodeBase


class TestDuration:
    """How long."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("5s", 5.0),
            ("200ms", 0.2),
            ("1.5s", 1.5),
            ("2m", 120.0),
            ("4h", 14400.0),
            (3, 3.0),
            (0.5, 0.5),
            ("24h", 86400.0),
        ],
    )
    def test_read(self, text: str | float, seconds: float) -> None:
        """A duration is a number with a unit, or of seconds."""
        assert Duration.read(text) == pytest.approx(seconds)

    @pytest.mark.parametrize(
        "text",
        ["5", "s", "5 s", "-5s", "5d", "", "1e3s", ".5s", "５s", "0s", "25h", 0, -1, 86401, True, "5s\n"],
    )
    def test_refused(self, text: str | float) -> None:
        """Anything else, nothing at all and more than a day are refused."""
        with pytest.raises(ValueError, match="is not a duration"):
            Duration.read(text)


class TestNodes:
    """What nodes have in common."""

    def test_a_bare_node_leads_nowhere_and_is_silent(self) -> None:
        """A kind of node that adds neither exits nor prompts has none."""
        node = NodeBase()
        assert (list(node.exits()), node.prompt_names(), node.speaks) == ([], (), False)

    @pytest.mark.parametrize(("name", "kind"), NODE_TYPES.items())
    def test_named_as_its_type(self, name: str, kind: type[NodeBase]) -> None:
        """Each kind is registered under the name it is tagged with."""
        assert kind.__struct_config__.tag == name
        assert kind.__struct_config__.tag_field == "type"

    @pytest.mark.parametrize("kind", NODE_TYPES.values())
    def test_described(self, kind: type[NodeBase]) -> None:
        """Each kind says what it does."""
        assert kind.__doc__
        assert kind.__doc__ != NodeBase.__doc__
