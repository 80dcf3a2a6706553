"""The head that nearly every message has, recognised by one match.

What the pattern takes is well formed in all that `validate` looks at, so that such a message is judged and its tags,
branch and CSeq are known at once. What it does not take is no worse for it: it is read and judged part by part.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from switchboard.sip.headers import TCHAR
from switchboard.sip.uri import USUAL_URI

if TYPE_CHECKING:
    from switchboard.sip.headers import Headers

ABSENT: Final = "\t"
"""Stands for a header that is not there: no value is ever a tab, as white space round values is cut off."""

SINGLE: Final = (
    *("call-id", "cseq", "from", "to", "max-forwards", "content-length", "content-type"),
    *("content-disposition", "expires", "min-expires", "event", "refer-to", "referred-by"),
    *("replaces", "rseq", "rack", "session-expires", "min-se"),
)
"""Headers whose grammar has exactly one value and whose meaning would be ambiguous with two."""

# What a part has taken it keeps (`++`, `(?>`), so that a head of another form is known for one within one pass.
_URI: Final = USUAL_URI + r"(?:;[A-Za-z][A-Za-z0-9\-]*+(?:=[A-Za-z0-9\-.]++)?)?"
_DISPLAY: Final = r'(?:"[^"\\\x00-\x1f\x7f]*+"[ \t]*+|[^"<>,;\\\x00-\x08\x0a-\x1f\x7f]*+)'
_ADDRESS: Final = rf"(?>{_DISPLAY}<{_URI}>(?:;tag=({TCHAR}++))?\n)"
_RPORT: Final = r";rport(?:=[0-9]{1,5})?"
_RECEIVED: Final = r";received=[0-9.]{7,15}"

match_usual: Final = re.compile(
    # Request-URI; nothing in a response.
    rf"(?>(?:{_URI})?\n)"
    # Via: one value, with the branch of RFC 3261, and no parameter twice. Responses bring ours back filled in, and
    # every make of server has an order of its own for it.
    r"(?>SIP/2\.0/[A-Z]++ [A-Za-z0-9][A-Za-z0-9.\-]*+(?::[1-5]?[0-9]{1,4}+)?"
    rf"({_RPORT}({_RECEIVED})?)?;branch=(z9hG4bK[A-Za-z0-9\-.!%*_+`'~]++)"
    rf"(?(2)|(?(1)(?:{_RECEIVED})?|(?:{_RPORT}(?:{_RECEIVED})?|{_RECEIVED}(?:{_RPORT})?)?))\n)"
    # From, To.
    rf"{_ADDRESS}{_ADDRESS}"
    # Call-ID; CSeq, whose number is surely below 2**31.
    r"[!-~]++\n([0-9]{1,9}+) ([A-Z]++)\n"
    # Max-Forwards up to 255; Contact, in brackets or bare.
    rf"(?:\t|[01]?[0-9]{{1,2}}|2[0-4][0-9]|25[0-5])\n(?:\t|{_DISPLAY}<({_URI})>|({USUAL_URI}))\Z"
).match
"""Takes Request-URI, Via, From, To, Call-ID, CSeq, Max-Forwards and Contact, a line each without the last line end.

Its groups 3 to 9 are: branch, tag of From, tag of To, number and method of CSeq, URI of Contact in brackets, and bare.
"""

_LOOKED_INTO: Final = frozenset((*SINGLE, "contact"))
_match_route: Final = re.compile(
    # One value as a proxy writes it: in brackets, without a display name, and no parameter twice.
    rf"<{USUAL_URI}(?:;([a-z][a-z0-9\-]*+)(?:=[A-Za-z0-9\-_.!~*'()\[\]/:&+$=]++)?(?![^>]*;\1[;=>])){{0,8}}+>\Z"
).match


def is_usual_way(headers: Headers) -> bool:
    """Tell whether nothing is wrong with the lines that proxies add: more of one name, Record-Route, Route."""
    if headers.more is not None and not _LOOKED_INTO.isdisjoint(headers.more):
        return False
    for name in ("record-route", "route"):
        for line in headers.getall(name):
            if _match_route(line) is None:
                return False
    return True
