"""Everything that goes wrong is told as `application/problem+json` (RFC 9457).

`type` is a reference into the documentation page, which lists the kinds below. A problem of ours never shows its
inner workings: it is logged, and the client reads that it was one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal, get_args

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from sqlalchemy.exc import OperationalError

from switchboard.api.audit_trail import AuditFullError
from switchboard.api.types import Fault, Problem
from switchboard.calls import commands
from switchboard.calls.commands import CommandError
from switchboard.ops.log import get_logger

PROBLEM_JSON: Final = "application/problem+json"

Kind = Literal[
    "invalid-request",
    "unauthenticated",
    "token-expired",
    "wrong-credentials",
    "totp-required",
    "forbidden",
    "password-change-required",
    "not-yours",
    "not-found",
    "no-call",
    "no-target",
    "method-not-allowed",
    "conflict",
    "wrong-state",
    "busy",
    "precondition-failed",
    "too-large",
    "unsupported-media-type",
    "range-not-satisfiable",
    "invalid",
    "unreachable",
    "precondition-required",
    "too-many-requests",
    "internal",
    "unavailable",
    "congestion",
]

KINDS: Final[dict[Kind, tuple[int, str]]] = {
    "invalid-request": (400, "The request is not well-formed, or not of the documented shape"),
    "unauthenticated": (401, "An access token is needed"),
    "token-expired": (401, "The access token is no longer valid"),
    "wrong-credentials": (401, "Name, password or code is wrong"),
    "totp-required": (401, "A code of the second factor is needed"),
    "forbidden": (403, "Not allowed in this role"),
    "password-change-required": (403, "The password has to be changed first"),
    "not-yours": (403, "Another agent's"),
    "not-found": (404, "There is no such thing"),
    "no-call": (404, "There is no such call"),
    "no-target": (404, "There is nobody of this name to connect to"),
    "method-not-allowed": (405, "Not a method of this resource"),
    "conflict": (409, "In conflict with what is there"),
    "wrong-state": (409, "Not possible in the present state"),
    "busy": (409, "Whoever is to be called is in another call"),
    "precondition-failed": (412, "Somebody else has changed it"),
    "too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "Not a media type this resource takes"),
    "range-not-satisfiable": (416, "The file has no such octets"),
    "invalid": (422, "Understood, but cannot be done as asked"),
    "unreachable": (422, "The target cannot be reached"),
    "precondition-required": (428, "If-Match is needed"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "Something went wrong in the switch"),
    "unavailable": (503, "Not possible at the moment"),
    "congestion": (503, "No capacity at the moment"),
}
"""By the fragment of `type`: status and title."""

assert set(KINDS) == set(get_args(Kind))

_KIND_OF_STATUS: Final[dict[int, Kind]] = {
    400: "invalid-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    409: "conflict",
    413: "too-large",
    415: "unsupported-media-type",
    429: "too-many-requests",
    503: "unavailable",
}
_KIND_OF_FAULT: Final[dict[commands.Fault, Kind]] = {
    "no_call": "no-call",
    "not_yours": "not-yours",
    "wrong_state": "wrong-state",
    "no_target": "no-target",
    "busy": "busy",
    "unreachable": "unreachable",
    "congestion": "congestion",
    "forbidden": "forbidden",
    "invalid": "invalid",
}
_STEP: Final = re.compile(r"[^.\[\]]+")


class ApiError(Exception):
    """A request that cannot be done. `detail` tells the client what to do and holds no number; `errors` where."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or kind)
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """Of the answer."""
        return KINDS[self.kind][0]


def problem_response(error: ApiError) -> Response[bytes]:
    """The answer that tells a problem."""
    status, title = KINDS[error.kind]
    headers = dict(error.headers)
    if status == HTTPStatus.UNAUTHORIZED:
        code = ', error="invalid_token"' if error.kind == "token-expired" else ""
        headers.setdefault("WWW-Authenticate", f'Bearer realm="switchboard"{code}')
    problem = Problem(type=f"/docs#{error.kind}", title=title, status=status, detail=error.detail, errors=error.errors)
    return Response(msgspec.json.encode(problem), status_code=status, media_type=PROBLEM_JSON, headers=headers)


def _refused(request: Request[Any, Any, Any], error: ApiError) -> Response[bytes]:
    return problem_response(error)


def _command_refused(request: Request[Any, Any, Any], error: CommandError) -> Response[bytes]:
    return problem_response(ApiError(_KIND_OF_FAULT[error.fault], error.detail))


def _http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    kind = _KIND_OF_STATUS.get(error.status_code, "internal" if error.status_code >= 500 else "invalid-request")
    if kind == "internal":
        return _unexpected(request, error)
    headers = dict(error.headers or {})
    detail = ""
    errors: list[Fault] = []
    if kind == "invalid-request":
        if isinstance(error.extra, list):
            errors = [_fault(entry) for entry in error.extra if isinstance(entry, dict)]
        else:
            detail = "The body is not well-formed JSON." if request.method != "GET" else ""
    return problem_response(ApiError(kind, detail, errors=errors, headers=headers))


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if isinstance(error, RecursionError) and "deserializing" in str(error):
        return problem_response(ApiError("invalid-request", "The body is nested too deeply."))
    _log_failure(request, "api.failed", error)
    return problem_response(ApiError("internal", "It is in the log of the switch."))


def _store_failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The database is locked or its disk full; calls go on by the journal."""
    _log_failure(request, "api.store_failed", error)
    detail = "The switch cannot write at the moment. See whether it was done before you try again."
    return problem_response(ApiError("unavailable", detail, headers={"Retry-After": "5"}))


def _log_failure(request: Request[Any, Any, Any], event: str, error: Exception) -> None:
    route = str(request.scope.get("path_template", ""))
    get_logger().error(event, method=request.method, route=route, exc_info=error)
    failed: Any = getattr(request.app.state, "failed", None)
    if failed is not None:
        failed()


def _fault(entry: Mapping[str, Any]) -> Fault:
    """What Litestar says of one wrong value, with a JSON pointer (RFC 6901) for one in the body."""
    key, message = str(entry.get("key", "")), str(entry.get("message", ""))
    if entry.get("source") != "body":
        return Fault(parameter=key, detail=message)
    if message == "'data'":
        return Fault(pointer="", detail="A JSON body is needed")
    return Fault(pointer=_pointer(key), detail=message)


def _pointer(key: str) -> str:
    """`legs[0].state` as `/legs/0/state`; a member of a mapping, which has no name here, ends the pointer."""
    named = "" if key == "data" else key.partition("[...]")[0]
    steps = (step.replace("~", "~0").replace("/", "~1") for step in _STEP.findall(named))
    return "".join(f"/{step}" for step in steps)


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    ApiError: _refused,
    CommandError: _command_refused,
    HTTPException: _http_error,
    AuditFullError: _store_failed,
    OperationalError: _store_failed,
    Exception: _unexpected,
}
