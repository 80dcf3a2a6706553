"""A typed client of the API: signed in, renewed, retried, with errors by kind and an event stream that resumes.

async with Client("http://127.0.0.1:8080", name="lin", password=password) as switch:
    done = await switch.calls.transfer(call, "agent:zhao")
"""

from __future__ import annotations

from switchboard.client.client import Client
from switchboard.client.errors import (
    ApiError,
    ChangedError,
    ClientError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    NotReachedError,
    NotSignedInError,
    StreamLostError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
)
from switchboard.client.session import MemoryTokens, Session, Tokens, TokenStore

__all__ = [
    "ApiError",
    "ChangedError",
    "Client",
    "ClientError",
    "ConflictError",
    "ForbiddenError",
    "InvalidError",
    "MemoryTokens",
    "NotFoundError",
    "NotReachedError",
    "NotSignedInError",
    "Session",
    "StreamLostError",
    "TokenStore",
    "Tokens",
    "TooManyError",
    "UnauthorizedError",
    "UnavailableError",
]
