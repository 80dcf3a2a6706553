"""Header lines in order, looked up by canonical name, and the grammar all header values share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from switchboard.sip.errors import LocalError, ParseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# RFC 3261 §7.3.3 and the IANA registry of header fields (column "compact").
COMPACT: Final[dict[str, str]] = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

_USUAL: Final = (
    "Via From To Call-ID CSeq Contact Max-Forwards Content-Type Content-Length User-Agent Server Allow "
    "Supported Require Route Record-Route Expires Authorization Proxy-Authorization WWW-Authenticate "
    "Proxy-Authenticate "
    "Subject Accept Allow-Events Event Session-Expires Min-SE Refer-To Referred-By Reason Date Diversion "
    "History-Info P-Asserted-Identity P-Preferred-Identity Privacy Content-Disposition Content-Encoding "
    "Accept-Encoding Accept-Language Organization Path Min-Expires Retry-After Unsupported Warning RSeq RAck "
    "Proxy-Require Alert-Info Call-Info In-Reply-To Priority Reply-To Timestamp Replaces Error-Info"
)

# Names as they usually arrive, so that most lines cost one dict look-up.
_CANONICAL: Final[dict[str, str]] = (
    {name: name.lower() for name in _USUAL.split()}
    | {name.lower(): name.lower() for name in _USUAL.split()}
    | COMPACT
    | {short.upper(): long for short, long in COMPACT.items()}
)

# Names that are canonical already: looked up without asking further.
_LONG: Final = frozenset(_CANONICAL.values())
_BLANK: Final = (" ", "\t")

TCHAR: Final = r"[A-Za-z0-9\-.!%*_+`'~]"
_TOKEN: Final = re.compile(TCHAR + r"+\Z")
# generic-param, RFC 3261 §25.1; a value may hold anything that cannot end it (tolerated beyond token).
_PARAMETER: Final = re.compile(
    rf";[ \t]*({TCHAR}+)[ \t]*" + r'(?:=[ \t]*([^\s;,"<>]+|"(?:[^"\\]|\\.)*")[ \t]*)?', re.DOTALL
)
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SPECIAL: Final = re.compile(r'["<,]')
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

MAX_PARAMETERS: Final = 64
"""More parameters than any deployed element sends; it bounds the time one value can cost."""


def canonical(name: str) -> str:
    """Return the long lower-case name of a header, resolving compact forms (RFC 3261 §7.3.3)."""
    known = _CANONICAL.get(name)
    if known is not None:
        return known
    low = name.strip(" \t").lower()
    return COMPACT.get(low, low)


class Headers:
    """Header lines in the order received, found by canonical long lower-case name."""

    __slots__ = ("_lines", "first", "malformed", "more")

    def __init__(self, lines: list[str], start: int = 0) -> None:
        """Index lines from `start` on; a line that is no header is kept in `malformed`."""
        self._lines = lines[start:]
        if not self._index():
            self._lines = unfold(self._lines)
            self._index(folded=False)

    def _index(self, *, folded: bool = True) -> bool:
        """Sort the lines by name; False when one continues the line before and they must be joined first."""
        self.malformed: str | None = None
        first: dict[str, str] = {}
        more: dict[str, list[str]] | None = None
        known = _CANONICAL
        for line in self._lines:
            # The usual spelling first: it leaves nothing to be cut off the value.
            name, colon, value = line.partition(": ")
            key = known.get(name)
            if key is None or not colon:
                name, colon, value = line.partition(":")
                key = known.get(name)
            if key is None or not colon:
                if folded and line[:1] in _BLANK and line is not self._lines[0]:
                    return False
                key = canonical(name)
                if not colon or name[:1] in _BLANK or not _TOKEN.match(key):
                    if self.malformed is None:
                        self.malformed = line
                    continue
            if key not in first:
                first[key] = value.strip(" \t")
                continue
            if more is None:
                more = {}
            more.setdefault(key, []).append(value.strip(" \t"))
        self.first = first
        """The first value of each name, by canonical name."""
        self.more = more
        """The further values of names that have several lines, None when no name has."""
        return True

    def edited(self, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Headers:
        """The lines that `change` makes of these."""
        return Headers(list(change(tuple(self._lines))))

    def get(self, name: str) -> str | None:
        """Return the first line's value, or None."""
        found = self.first.get(name)
        if found is None and name not in _LONG:
            found = self.first.get(canonical(name))
        return found

    def getall(self, name: str) -> list[str]:
        """Return the value of every line of that name, in order."""
        key = name if name in _LONG else canonical(name)
        found = self.first.get(key)
        if found is None:
            return []
        if self.more is None or key not in self.more:
            return [found]
        return [found, *self.more[key]]

    def repeated(self, name: str) -> bool:
        """Tell whether more than one line has that name."""
        return self.more is not None and canonical(name) in self.more

    @property
    def has_repeated(self) -> bool:
        """True when any name has more than one line."""
        return self.more is not None

    def values(self, name: str) -> list[str]:
        """Return all list elements of that name, split at top-level commas, empty ones left out."""
        return [item for line in self.getall(name) for item in split_commas(line) if item]

    def __contains__(self, name: str) -> bool:
        """Tell whether a line of that name is there."""
        return self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield (name as received, value) of each line in order."""
        for line in self._lines:
            name, colon, value = line.partition(":")
            if colon:
                yield name.strip(" \t"), value.strip(" \t")

    def __len__(self) -> int:
        """Count the lines."""
        return len(self._lines)

    def __repr__(self) -> str:
        """Show the lines as a list of pairs."""
        return f"Headers({list(self)!r})"


def unfold(lines: list[str]) -> list[str]:
    """Join continuation lines to the line before by one space (RFC 3261 §7.3.1)."""
    groups: list[list[str]] = []
    for line in lines:
        if line[:1] in _BLANK and groups:
            groups[-1].append(line.strip(" \t"))
        else:
            groups.append([line])
    return [" ".join([group[0].rstrip(" \t"), *group[1:]]) if group[1:] else group[0] for group in groups]


def split_commas(value: str) -> list[str]:
    """Split at commas outside quoted strings and angle brackets; elements are stripped, empty ones kept."""
    if "," not in value:
        return [value]
    if '"' not in value and "<" not in value:
        return [item.strip(" \t") for item in value.split(",")]
    parts: list[str] = []
    begin = at = 0
    while (mark := _SPECIAL.search(value, at)) is not None:
        at = mark.end()
        sign = mark.group()
        if sign == ",":
            parts.append(value[begin : at - 1].strip(" \t"))
            begin = at
        elif sign == '"':
            quoted = _QUOTED.match(value, at - 1)
            at = quoted.end() if quoted else len(value)
        else:
            close = value.find(">", at)
            at = close + 1 if close >= 0 else len(value)
    parts.append(value[begin:].strip(" \t"))
    return parts


def parse_parameters(text: str, header: str) -> dict[str, str | None]:
    """Parse `;name=value;flag` into a dict; names are lower-cased, quoted values keep their quotes.

    A name must not appear twice (RFC 3261 §7.3.1).
    """
    found: dict[str, str | None] = {}
    text = text.strip(" \t")
    at, end = 0, len(text)
    while at < end:
        match = _PARAMETER.match(text, at)
        if match is None:
            raise ParseError("malformed parameters", header=header, section="RFC 3261 §7.3.1")
        name = match[1].lower()
        if name in found:
            raise ParseError("repeated parameter", header=header, section="RFC 3261 §7.3.1")
        if len(found) >= MAX_PARAMETERS:
            raise ParseError("too many parameters", header=header)
        found[name] = match[2]
        at = match.end()
    return found


def format_parameters(params: dict[str, str | None]) -> str:
    """Write parameters as `;name=value;flag`; raises LocalError on what would break out of its place."""
    out = "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params.items()])
    if out:
        refuse_control(out)
        try:
            same = parse_parameters(out, "parameters") == params
        except ParseError as error:
            raise LocalError(f"parameter cannot be written: {error.reason}") from error
        if not same:
            raise LocalError("parameter cannot be written: it holds a delimiter")
    return out


def is_token(text: str) -> bool:
    """Tell whether the text is a `token` (RFC 3261 §25.1)."""
    return _TOKEN.match(text) is not None


def is_digits(text: str) -> bool:
    """Tell whether the text is one or more ASCII digits and nothing else."""
    return text.isascii() and text.isdigit()


def unquote(text: str) -> str:
    """Return the content of a quoted-string, or the text itself when it is not quoted."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        inner = text[1:-1]
        return _ESCAPED.sub(r"\1", inner) if "\\" in inner else inner
    return text


def quote(text: str) -> str:
    """Write a quoted-string; control characters become spaces, so nothing can leave the quotes."""
    clean = _CONTROL.sub(" ", text)
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def refuse_control(text: str) -> str:
    """Return the text, or raise LocalError when it holds CR, LF or another control character."""
    if _CONTROL.search(text) is not None:
        raise LocalError("control character in a header value")
    return text
