"""What callers hear: sounds by name and speech, each the same for all or by language."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ivr_flows.actions import Speech
from ivr_flows.errors import ExpressionError
from ivr_flows.expressions import Readable, Text
from ivr_flows.reading import FORMS, read

RECORDING: Final = "recording:"
"""How the names of recordings begin that the media plane plays."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,8})?\Z")
_NO_FORMS: Final[frozenset[str]] = frozenset()


class Wording:
    """A text, or one for each language; in speech a place may have a form."""

    __slots__ = ("names", "texts")

    def __init__(self, written: object, forms: frozenset[str] = FORMS) -> None:
        if isinstance(written, str):
            written = {"": written}
        elif not isinstance(written, dict) or not written:
            raise ExpressionError("expected text, or a text for each language such as {zh: ..., en: ...}")
        elif wrong := [language for language in written if not _LANGUAGE.match(language)]:
            raise ExpressionError(f"'{wrong[0]}' is not a language; write zh or en")
        self.texts: dict[str, Text] = {language: Text(text, forms) for language, text in written.items()}
        self.names = frozenset[str]().union(*[text.names for text in self.texts.values()])

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it is written in; none when one text is for all."""
        return tuple(language for language in self.texts if language)

    def choose(self, language: str, usual: str) -> tuple[str, Text]:
        """Return the text for a language, else the usual one's, else the first, and its language."""
        texts = self.texts
        if "" in texts:
            return language or usual, texts[""]
        for wanted in (language, usual):
            if wanted in texts:
                return wanted, texts[wanted]
        return next(iter(texts.items()))


class Prompt:
    """One thing the caller hears: a sound by its name, or speech.

    It is written as a name ("zh/welcome", "{language}/welcome", "tone:busy", "silence:0.5"), as names by language,
    or as `{say: ...}` with a text or texts by language.
    """

    __slots__ = ("speech", "wording")

    def __init__(self, written: object) -> None:
        self.speech = isinstance(written, dict) and written.keys() == {"say"}
        if isinstance(written, dict) and "say" in written:
            if not self.speech:
                raise ExpressionError("'say' stands alone; write the languages below it")
            self.wording = Wording(written["say"])
        else:
            self.wording = Wording(written, _NO_FORMS)

    @property
    def names(self) -> frozenset[str]:
        """The variables it reads."""
        return self.wording.names

    @property
    def sounds(self) -> tuple[str, ...]:
        """Names of the sounds it may be; those that depend on variables, and speech, are left out."""
        if self.speech:
            return ()
        return tuple(text.source for text in self.wording.texts.values() if not text.names)


def said(wording: Wording, variables: Readable, language: str, usual: str) -> Speech:
    """Return the words for a language, with values read out as people say them."""
    language, text = wording.choose(language, usual)
    return Speech(text.read_out(variables, lambda value, form: read(value, form or "plain", language)), language)


def render(prompts: Iterable[Prompt], variables: Readable, language: str, usual: str) -> tuple[str | Speech, ...]:
    """Return what is to be played for a language; speech with nothing to say is left out."""
    heard: list[str | Speech] = []
    for prompt in prompts:
        if prompt.speech:
            speech = said(prompt.wording, variables, language, usual)
            if speech.text.strip():
                heard.append(speech)
        else:
            name = prompt.wording.choose(language, usual)[1].fill(variables)
            # What others have said is played by a mailbox alone, never because a variable happens to name it.
            if not name.startswith(RECORDING):
                heard.append(name)
    return tuple(heard)
