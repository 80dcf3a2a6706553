"""What can go wrong between a client and the switch, one class a kind."""

from __future__ import annotations

from typing import Final

from switchboard.api.types import Problem


class ClientError(Exception):
    """Base of all."""


class NotReachedError(ClientError):
    """Nobody answers at that address, or the connection was lost; a command may or may not have been carried out."""


class NotSignedInError(ClientError):
    """There is no token, and no password to get one with."""


class StreamLostError(ClientError):
    """The event stream could not be opened again in time."""


class ApiError(ClientError):
    """The switch answered with a problem."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title or f"HTTP {status}")
        self.status = status
        self.problem = problem


class UnauthorizedError(ApiError):
    """401: the token or password is wrong, or the session has ended."""


class ForbiddenError(ApiError):
    """403: this role, or this agent, may not."""


class NotFoundError(ApiError):
    """404."""


class ConflictError(ApiError):
    """409: not in this state, or it is there already."""


class ChangedError(ApiError):
    """412 or 428: somebody else has changed it meanwhile; read it again."""


class InvalidError(ApiError):
    """400 or 422: what was sent cannot be taken."""


class TooManyError(ApiError):
    """429: ask again after `retry_after` seconds."""

    retry_after: float = 1.0


class UnavailableError(ApiError):
    """5xx: the switch cannot do it now."""


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: ChangedError,
    422: InvalidError,
    428: ChangedError,
    429: TooManyError,
}


def error_of(status: int, problem: Problem, retry_after: str | None = None) -> ApiError:
    """The error for an answer."""
    kind = _BY_STATUS.get(status, UnavailableError if status >= 500 else ApiError)
    error = kind(status, problem)
    if isinstance(error, TooManyError) and retry_after is not None and retry_after.isdigit():
        error.retry_after = float(retry_after)
    return error
