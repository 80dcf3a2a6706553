"""Codecs whose library is missing are found when the configuration is checked, not when a call needs them."""

from __future__ import annotations

import pytest

from config.checks import findings
from config.media_schema import Media
from config.schema import Config, Trunk
from media import codecs


def without_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but G.711 can be had."""

    def gone(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(codecs, "import_module", gone)


@pytest.mark.parametrize(
    ("listed", "paths"),
    [
        (("PCMA", "PCMU"), []),
        (("PCMA", "opus"), ["media.codecs[1]"]),
        (("PCMA", "any"), ["media.codecs[1]", "media.codecs[1]"]),
    ],
)
def test_what_cannot_be_decoded_is_told(
    monkeypatch: pytest.MonkeyPatch, listed: tuple[str, ...], paths: list[str]
) -> None:
    """`any` lets G.722 and Opus through, which somebody may have to hear."""
    without_libraries(monkeypatch)
    config = Config(media=Media(codecs=listed))  # type: ignore[arg-type]
    assert [path for path, *_ in findings(config) if "codecs" in path] == paths


def test_so_is_what_a_trunk_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its own list."""
    without_libraries(monkeypatch)
    config = Config(trunks=(Trunk(name="carrier", from_=("192.0.2.1",), codecs=("G722",)),))
    assert [path for path, *_ in findings(config) if "codecs" in path] == ["trunks[0].codecs[0]"]
