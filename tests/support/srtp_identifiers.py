"""SRTP with a master key identifier, by libsrtp's own interface for it, which its Python binding leaves out."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Final

import pylibsrtp

from tests.support.srtp import PROFILES

_BINDING: Final = next(Path(pylibsrtp.__file__).parent.glob("_binding*"))
"""Importing it has begun the library; loaded once more it is the same."""
_LIBRARY: Final = ctypes.CDLL(str(_BINDING))
_ANY_INBOUND, _ANY_OUTBOUND = 2, 3


class _CryptoPolicy(ctypes.Structure):
    _fields_ = (("fields", ctypes.c_uint32 * 6),)


class _MasterKey(ctypes.Structure):
    _fields_ = (("key", ctypes.c_char_p), ("mki_id", ctypes.c_char_p), ("mki_size", ctypes.c_uint))


class _Policy(ctypes.Structure):
    _fields_ = (
        ("ssrc_type", ctypes.c_int),
        ("ssrc_value", ctypes.c_uint),
        ("rtp", _CryptoPolicy),
        ("rtcp", _CryptoPolicy),
        ("key", ctypes.c_char_p),
        ("keys", ctypes.POINTER(ctypes.POINTER(_MasterKey))),
        ("num_master_keys", ctypes.c_ulong),
        ("deprecated_ekt", ctypes.c_void_p),
        ("window_size", ctypes.c_ulong),
        ("allow_repeat_tx", ctypes.c_int),
        ("enc_xtn_hdr", ctypes.c_void_p),
        ("enc_xtn_hdr_count", ctypes.c_int),
        ("next", ctypes.c_void_p),
    )


class IdentifiedSession:
    """One direction under one key whose packets carry an identifier."""

    def __init__(self, suite: str, key: bytes, mki: bytes, *, inbound: bool) -> None:
        self._master = _MasterKey(key, mki, len(mki))
        self._masters = (ctypes.POINTER(_MasterKey) * 1)(ctypes.pointer(self._master))
        policy = _Policy(ssrc_type=_ANY_INBOUND if inbound else _ANY_OUTBOUND, keys=self._masters, num_master_keys=1)
        for name in ("rtp", "rtcp"):
            fill = getattr(_LIBRARY, f"srtp_crypto_policy_set_from_profile_for_{name}")
            assert fill(ctypes.byref(getattr(policy, name)), PROFILES[suite]) == 0
        self._session = ctypes.c_void_p()
        assert _LIBRARY.srtp_create(ctypes.byref(self._session), ctypes.byref(policy)) == 0

    def protect(self, data: bytes) -> bytes:
        """The SRTP packet; AssertionError with libsrtp's code where there is none, as in the others."""
        return self._run("srtp_protect_mki", data, 1, 0)

    def protect_rtcp(self, data: bytes) -> bytes:
        """The SRTCP packet."""
        return self._run("srtp_protect_rtcp_mki", data, 1, 0)

    def unprotect(self, data: bytes) -> bytes:
        """The RTP packet."""
        return self._run("srtp_unprotect_mki", data, 1)

    def unprotect_rtcp(self, data: bytes) -> bytes:
        """The RTCP packets."""
        return self._run("srtp_unprotect_rtcp_mki", data, 1)

    def _run(self, name: str, data: bytes, *arguments: int) -> bytes:
        buffer = ctypes.create_string_buffer(data, 2048)
        size = ctypes.c_int(len(data))
        code = getattr(_LIBRARY, name)(self._session, buffer, ctypes.byref(size), *arguments)
        assert code == 0, f"{name}: {code}"
        return buffer.raw[: size.value]
