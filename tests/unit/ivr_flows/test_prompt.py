from __future__ import annotations

import pytest

from ivr_flows.actions import Speech
from ivr_flows.errors import ExpressionError
from ivr_flows.prompt import Prompt, Wording, render


class TestWording:
    """Texts by language."""

    @pytest.mark.parametrize(
        ("language", "usual", "chosen"),
        [("en", "zh", ("en", "b")), ("fr", "zh", ("zh", "a")), ("fr", "de", ("zh", "a")), ("", "", ("zh", "a"))],
    )
    def test_choose(self, language: str, usual: str, chosen: tuple[str, str]) -> None:
        """The wanted language goes before the usual one, and that before the first."""
        found, text = Wording({"zh": "a", "en": "b"}).choose(language, usual)
        assert (found, text.source) == chosen

    def test_one_for_all(self) -> None:
        """One text serves every language, and is spoken in the wanted one."""
        found, text = Wording("a").choose("en", "zh")
        assert (found, text.source, Wording("a").languages) == ("en", "a", ())
        assert Wording("a").choose("", "zh")[0] == "zh"

    def test_names(self) -> None:
        """All languages' variables are read."""
        wording = Wording({"zh": "{a}", "en": "{b|money}"})
        assert (wording.names, wording.languages) == ({"a", "b"}, ("zh", "en"))

    @pytest.mark.parametrize("written", [None, 5, [], {}, {"chinese": "a"}, {"": "a"}, {"zh": 5}, "{a|cash}"])
    def test_unreadable(self, written: object) -> None:
        """Anything but texts by language is refused."""
        with pytest.raises(ExpressionError):
            Wording(written)


class TestPrompt:
    """Sounds and speech."""

    def test_sounds(self) -> None:
        """A prompt tells the sounds it may be, those named by variables apart."""
        assert Prompt("zh/a").sounds == ("zh/a",)
        assert Prompt({"zh": "zh/a", "en": "{x}/a"}).sounds == ("zh/a",)
        assert Prompt({"say": "hello"}).sounds == ()
        assert Prompt({"say": {"zh": "{x}"}}).names == {"x"}

    @pytest.mark.parametrize("written", [{"say": "a", "zh": "b"}, {"say": 5}, "{a|money}", 5, {"zh": "{a|money}"}])
    def test_unreadable(self, written: object) -> None:
        """Speech stands alone, and sounds' names have no forms."""
        with pytest.raises(ExpressionError):
            Prompt(written)

    def test_render(self) -> None:
        """Sounds are named and values read out; words that come to nothing are left out."""
        prompts = [
            Prompt("{shop}/a"),
            Prompt({"say": {"zh": "第{n|ordinal}", "en": "the {n|ordinal}"}}),
            Prompt({"say": " {nobody} "}),
        ]
        variables: dict[str, str | int] = {"shop": "s1", "n": 3}
        assert render(prompts, variables, "en", "zh") == ("s1/a", Speech("the third", "en"))
        assert render(prompts, variables, "", "zh") == ("s1/a", Speech("第第三", "zh"))
