"""What a token proves, and for how long."""

from __future__ import annotations

import base64
import json

import jwt
import pytest

from switchboard.api import access_tokens as module
from switchboard.api.access_tokens import LIFETIME, AccessTokens
from switchboard.api.principal import Principal
from switchboard.api.problems import ApiError
from tests.unit.api.conftest import FakeClock

WHO = Principal(id="u1", name="zhang", role="supervisor", agent="a1", session="s1")
KEY = b"k" * 32


def refused(tokens: AccessTokens, token: str) -> str:
    """The kind of problem a token is refused with."""
    with pytest.raises(ApiError) as error:
        tokens.check(token)
    return error.value.kind


def test_a_token_tells_who_it_was_given_to(clock: FakeClock) -> None:
    """Until its last second and no longer."""
    tokens = AccessTokens(clock, KEY)
    token = tokens.issue(WHO)
    principal = tokens.check(token)
    assert (principal.id, principal.name, principal.role, principal.agent) == ("u1", "zhang", "supervisor", "a1")
    clock.now += LIFETIME - 1
    assert tokens.check(token).session == "s1"
    clock.now += 1
    assert refused(tokens, token) == "token-expired"


def forged(token: str, **claims: object) -> str:
    """The token with other claims under its old signature."""
    head, payload, signature = token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(payload + "==")) | claims
    return ".".join((head, base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("="), signature))


def test_forgeries_are_refused(clock: FakeClock) -> None:
    """Changed claims, no signature, another key, another algorithm, a foreign issuer, missing claims, garbage."""
    tokens = AccessTokens(clock, KEY)
    good = tokens.issue(WHO)
    claims = jwt.decode(good, KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    foreign = [
        forged(good, role="admin"),
        good.rpartition(".")[0] + ".",
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, b"x" * 32, algorithm="HS256"),
        jwt.encode(claims, KEY * 2, algorithm="HS512"),
        jwt.encode(claims | {"iss": "other"}, KEY, algorithm="HS256"),
        jwt.encode(claims | {"role": "root"}, KEY, algorithm="HS256"),
        jwt.encode({name: value for name, value in claims.items() if name != "exp"}, KEY, algorithm="HS256"),
        "garbage",
        "a.b.c",
        "",
        "x" * 100_000,
        "é.ü.ß",
    ]
    for token in foreign:
        assert refused(tokens, token) == "unauthenticated", token[:40]


def test_what_is_withdrawn_is_void_and_what_comes_after_is_not(clock: FakeClock) -> None:
    """By session and by user; a token given in the same moment serves."""
    tokens = AccessTokens(clock, KEY)
    other = tokens.issue(Principal(id="u1", name="zhang", role="agent", session="s2"))
    token = tokens.issue(WHO)
    tokens.withdraw("s1")
    assert refused(tokens, token) == "token-expired"
    assert tokens.check(other)
    tokens.withdraw("u1")
    assert refused(tokens, other) == "token-expired"
    assert tokens.check(tokens.issue(WHO))


def test_memory_of_withdrawals_ends_with_their_tokens(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is bounded, too."""
    tokens = AccessTokens(clock, KEY)
    tokens.withdraw("s1")
    clock.now += LIFETIME + 1
    tokens.withdraw("s2")
    assert list(tokens._withdrawn) == ["s2"]
    monkeypatch.setattr(module, "MOST_WITHDRAWN", 5)
    for index in range(100):
        tokens.withdraw(f"x{index}")
    assert len(tokens._withdrawn) == 5


def test_another_start_has_another_key(clock: FakeClock) -> None:
    """Tokens of the process before are void."""
    assert refused(AccessTokens(clock), AccessTokens(clock).issue(WHO)) == "unauthenticated"
