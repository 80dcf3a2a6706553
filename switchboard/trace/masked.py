"""A SIP message without what nobody needs to see: each octet of it becomes an asterisk, so that lengths stay true.

Masked are telephone numbers (also percent-encoded or in groups), what proves a password, keys of SRTP and ICE, and
bodies other than SDP and sipfrag: INFO carries keys that callers press.
"""

from __future__ import annotations

import re
from typing import Final

_DIGIT: Final = rb"(?:%3[0-9]|[0-9])"
_NUMBER: Final = re.compile(
    rb"(?<![0-9])1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}(?![0-9])|" + _DIGIT + rb"(?:[-()]?" + _DIGIT + rb"){6,}"
)
_WRITTEN: Final = re.compile(_DIGIT + rb"(?:[-.() ]{0,3}" + _DIGIT + rb"){6,}")
"""A number as people write it; outside of what `_NAMING` finds, addresses and lists of formats look like one."""
_NAMING: Final = re.compile(
    rb'(?im)"[^"\r\n]*+"|\btel(?::|%3a)[^\s;>?@]*+|(?<![0-9.%])[0-9(][0-9(). \t-]{6,40}+(?=[<@]|%40)|'
    rb"^(?:[siep]=|(?:subject|s)[ \t]*:)[^\r\n]*+"
)
"""Quoted text, tel URIs (RFC 3966 §5.1.1), display names and users of URIs, and what a subject or SDP says in words."""
_IPV4: Final = re.compile(rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_PROOF: Final = re.compile(
    rb"(?im)^((?:proxy-)?authorization[ \t]*:|authentication-info[ \t]*:)((?:[^\r\n]|\r?\n[ \t])*)"
)
_DIGEST: Final = re.compile(rb"(?is)\s*digest\s")
_PARAMETER: Final = re.compile(rb'([\w-]+)(\s*=\s*)("(?:[^"\\]|\\.)*"|[^\s,"]+)')
_SHOWN: Final = frozenset((b"username", b"realm", b"algorithm", b"qop", b"nc", b"uri"))
_KEY: Final = re.compile(
    rb"(?im)^(a=crypto:[^\s:]*[ \t]+[^\s:]+[ \t]+|a=crypto:|a=key-mgmt:\S+[ \t]+|a=key-mgmt:|a=ice-pwd:|k=)([^\r\n]*)"
)
_TYPE: Final = re.compile(rb"(?im)^(?:content-type|c)[ \t]*:[ \t]*([^\s;]+)")
_OPEN_BODIES: Final = frozenset((b"application/sdp", b"message/sipfrag"))
_GRAPHIC: Final = re.compile(rb"[^\r\n]")


def masked(wire: bytes) -> bytes:
    """The message with asterisks; as long as it was, line for line."""
    head, blank, body = wire.partition(b"\r\n\r\n")
    head = _PROOF.sub(_proof, head)
    kind = _TYPE.search(head)
    if body and (kind is None or kind[1].lower() not in _OPEN_BODIES):
        body = _stars(body)
    else:
        body = _KEY.sub(lambda match: match[1] + _stars(match[2]), body)
    return _unnumbered(head) + blank + _unnumbered(body)


def without_keys(wire: bytes) -> bytes:
    """The message without keys of media alone: nobody who may see numbers needs to hear the call by them."""
    return _KEY.sub(lambda match: match[1] + _stars(match[2]), wire)


def _unnumbered(text: bytes) -> bytes:
    return _NUMBER.sub(_number, _NAMING.sub(lambda match: _WRITTEN.sub(_number, match[0]), text))


def _stars(text: bytes) -> bytes:
    return _GRAPHIC.sub(b"*", text)


def _proof(match: re.Match[bytes]) -> bytes:
    value = match[2]
    if match[1][:14].lower() != b"authentication" and not _DIGEST.match(value):
        return match[1] + _stars(value)
    return match[1] + _PARAMETER.sub(_parameter, value)


def _parameter(match: re.Match[bytes]) -> bytes:
    name, equals, value = match.groups()
    return name + equals + (value if name.lower() in _SHOWN else _stars(value))


def _number(match: re.Match[bytes]) -> bytes:
    run = match[0]
    if _IPV4.fullmatch(run):
        return run
    keep = 3 if len(run) >= 11 else 2 if len(run) >= 8 else 1
    if b"%" in run:
        return _stars(run)
    last = 4 if keep == 3 else keep
    return run[:keep] + b"*" * (len(run) - keep - last) + run[-last:]
