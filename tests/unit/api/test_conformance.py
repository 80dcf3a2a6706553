"""Random requests made from the OpenAPI document by a foreign judge: no answer of 5xx, none that is not documented."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from litestar import Litestar
from litestar.testing import TestClient

from switchboard.api.principal import Principal
from switchboard.api.types import Role
from switchboard.passwords import hash_password
from switchboard.store.users import UserRow
from tests.support.api_switch import ApiSwitch, api_switch
from tests.unit.api.test_refusals import whole_api

with warnings.catch_warnings():
    # its dependencies warn of each other when they are loaded
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import (
        content_type_conformance,
        not_a_server_error,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )
    from schemathesis.generation import GenerationMode

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MANY = int(os.environ.get("CONFORMANCE_EXAMPLES", "1"))
"""Times as many examples, for a longer search."""
ORDER = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiSwitch]:
    """A switch with a call that is up, one that is over, and a message of each kind of account."""
    with api_switch(tmp_path_factory.mktemp("switch")) as switch:
        _, out = switch.talk("ben")
        switch.hang_up(out)
        yield switch


@pytest.fixture(scope="module")
def client(switch: ApiSwitch) -> Iterator[TestClient[Litestar]]:
    """Asks the whole API."""
    with TestClient(whole_api(switch), raise_server_exceptions=False) as client:
        yield client


def known(switch: ApiSwitch, path: str) -> dict[str, str]:
    """Names of things that are there, for the parameters of a path."""
    if not switch.x.calls:
        switch.dial()
    live = next(iter(switch.x.calls), "")
    (ended,) = switch.store.calls.recent(1)
    there = {
        "agent": "ben",
        "group": "care",
        "user": "checker-agent",
        "call": ended.id if "/records/" in path else live,
    }
    return {name: value for name, value in there.items() if value and f"{{{name}}}" in path}


@pytest.mark.parametrize("role", ["admin", "agent"])
def test_every_answer_is_documented(client: TestClient[Litestar], switch: ApiSwitch, role: Role) -> None:
    """Requests that fit the document and requests that do not, with names that are there and names that are not."""
    hashed = hash_password("correct horse")
    user = switch.services.users.create(f"checker-{role}", role, hashed, now_us=1, agent="anna")
    schema = schemathesis.openapi.from_dict(client.get("/docs/openapi.json").json())
    answers: Counter[int] = Counter()
    failures: list[str] = []
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation in sorted(operations, key=lambda one: ORDER.index(one.method)):
        names = known(switch, operation.path)
        tries = [(GenerationMode.POSITIVE, None, 4 * MANY)]
        if names:
            tries.append((GenerationMode.POSITIVE, names, 6 * MANY))
        if operation.body or len(operation.query):
            tries.append((GenerationMode.NEGATIVE, names or None, 4 * MANY))
        for mode, path_parameters, examples in tries:
            strategy = operation.as_strategy(mode, path_parameters=path_parameters)

            @settings(
                max_examples=examples, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
            )  # fmt: skip
            @given(case=strategy)
            def judge(case: Any) -> None:
                answer = ask(client, switch, user, case)
                answers[answer.status_code] += 1
                case.validate_response(answer, checks=CHECKS)

            try:
                judge()
            except (AssertionError, BaseExceptionGroup) as failure:
                failures.append(f"{operation.label}: {told(failure)}")
    assert not failures, "\n".join(failures)
    assert answers[200] > 30, answers
    assert answers[400] > 20, answers
    assert answers[404] > 10, answers
    assert not [status for status in answers if status >= 500], answers


def told(failure: BaseException) -> str:
    """What the judge says, in full."""
    if isinstance(failure, BaseExceptionGroup):
        return "; ".join(told(one) for one in failure.exceptions)
    return str(failure)


def ask(client: TestClient[Litestar], switch: ApiSwitch, user: UserRow, case: Any) -> Any:
    """The answer to a request that was made up, with a token of its own, since signing out ends a session."""
    request = case.as_transport_kwargs(base_url="http://testserver")
    who = Principal(id=user.id, name=user.name, role=user.role, agent=user.agent, session="s")
    headers = {name: value for name, value in request["headers"].items() if name.lower() != "authorization"}
    headers["Authorization"] = f"Bearer {switch.services.tokens.issue(who)}"
    body = {"json": request["json"]} if request.get("json") is not None else {"content": request.get("data") or b""}
    return client.request(
        request["method"], request["url"].removeprefix("http://testserver"), headers=headers,
        params=request.get("params"), **body,
    )  # fmt: skip
