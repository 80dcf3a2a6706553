"""Puts the API together; imported late, for Litestar takes long to load."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.types import Message, Scope

from switchboard.api.docs_page import CONTENT_SECURITY
from switchboard.api.documentation import PATH, openapi_config
from switchboard.api.gate import Gate
from switchboard.api.principal import principal_of
from switchboard.api.problems import EXCEPTION_HANDLERS
from switchboard.api.roles import PREFIX
from switchboard.api.services import Services

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def build_api(services: Services, routers: Sequence[Router], *, beside: Sequence[Router] = ()) -> Litestar:
    """The whole ASGI application: `routers` below /api/v1, `beside` at the root; takes a second, so in a thread.

    Handlers get who asks as a parameter `principal: Caller`. Every operation needs its line in `roles`.
    """

    async def count(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            services.answers[str(message["status"])] += 1

    return Litestar(
        [Router(PREFIX, route_handlers=list(routers)), *beside],
        dependencies={"principal": Provide(principal_of, sync_to_thread=False)},
        middleware=[DefineMiddleware(Gate, services=services)],
        exception_handlers=EXCEPTION_HANDLERS,
        before_send=[_add_headers, count],
        request_max_body_size=services.limits.body,
        openapi_config=openapi_config(),
        logging_config=None,
        state=State({"failed": services.failed}),
    )


async def _add_headers(message: Message, scope: Scope) -> None:
    if message["type"] != "http.response.start":
        return
    headers = list(message["headers"])
    present = {name.lower() for name, _ in headers}
    if scope["path"].rstrip("/") == PATH:
        headers.append((b"content-security-policy", CONTENT_SECURITY.encode()))
        present.add(b"content-security-policy")
    headers += [(name, value) for name, value in _SECURITY_HEADERS if name not in present]
    message["headers"] = headers
