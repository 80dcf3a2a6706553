"""Sessions over a real database: passwords, lock-out, the second factor, refresh tokens."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pyotp
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from switchboard import passwords
from switchboard.api.problems import ApiError
from switchboard.api.services import Services
from switchboard.api.sign_in import LONG_LOCK_FAILURES, SignIn
from switchboard.store.users import Changes, UserRow
from tests.unit.api.conftest import BEGIN, FakeClock

Client = TestClient[Litestar]
PASSWORD = "correct horse"
OTHER = "battery staple"


@pytest.fixture
def user(services: Services) -> UserRow:
    """An agent's account."""
    hashed = passwords.hash_password(PASSWORD)
    return services.users.create("zhang", "agent", hashed, now_us=int(BEGIN * 1e6), agent="a1")


def login(client: Client, password: str = PASSWORD, name: str = "zhang", **more: str) -> Any:
    """The answer to a sign-in."""
    return client.post("/api/v1/auth/login", json={"name": name, "password": password, **more})


def post(client: Client, path: str, token: str, **body: str) -> Any:
    """The answer to a request of /auth with a token."""
    return client.post(f"/api/v1/auth/{path}", json=body, headers={"Authorization": f"Bearer {token}"})


def me(client: Client, token: str) -> Any:
    """The answer of /auth/me."""
    return client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})


def kind(answer: Any) -> tuple[int, str]:
    """Status and kind of a problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].removeprefix("/docs#")


def log(services: Services) -> list[tuple[str, str, str]]:
    """Who, action, outcome: oldest first."""
    return [(line.who, line.action, line.outcome) for line in reversed(services.audit.page())]


def test_sign_in_and_out(client: Client, services: Services, user: UserRow) -> None:
    """The token tells who it is until the session ends; both are in the log."""
    answer = login(client, name="  ZHANG ")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["role"], told["agent"], told["expires_in"], told["token_type"]) == ("agent", "a1", 900.0, "Bearer")
    assert me(client, told["access_token"]).json() | {"expires": ""} == {
        "id": user.id, "name": "zhang", "role": "agent", "agent": "a1", "must_change": False, "totp": False,
        "expires": "",
    }  # fmt: skip
    assert post(client, "logout", told["access_token"]).status_code == 204
    assert kind(me(client, told["access_token"])) == (401, "token-expired")
    refreshed = client.post("/api/v1/auth/refresh", json={"refresh_token": told["refresh_token"]})
    assert kind(refreshed) == (401, "token-expired")
    assert log(services) == [("zhang", "auth.login", "ok"), ("zhang", "auth.logout", "ok")]


def test_a_wrong_name_and_a_wrong_password_look_alike(
    client: Client, services: Services, user: UserRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same answer after the same work: one hash each. What was typed as a name is not in the log."""
    hashed: list[str | None] = []
    verify = passwords.verify_password
    monkeypatch.setattr(
        "switchboard.api.sign_in.verify_password",
        lambda stored, given: (hashed.append(stored), verify(stored, given))[1],
    )
    wrong, unknown, impossible = login(client, "wrong password"), login(client, name="li"), login(client, name="a b")
    assert kind(wrong) == (401, "wrong-credentials")
    assert wrong.json()["detail"].startswith("Name, password or code is wrong"), "clients show the detail alone"
    assert wrong.json() == unknown.json() == impossible.json()
    assert hashed == [user.password_hash, None, None]
    assert log(services) == [("zhang", "auth.login", "wrong password"), *[("", "auth.login", "unknown account")] * 2]


@pytest.mark.parametrize("name", ["zhang", "nobody"])
def test_after_five_failures_the_right_password_waits_too(
    client: Client, services: Services, clock: FakeClock, user: UserRow, name: str
) -> None:
    """429 with Retry-After, for accounts that exist and for others; then a try is free, and a failure waits longer."""
    for _ in range(5):
        assert login(client, "wrong password", name).status_code == 401
    answer = login(client, PASSWORD, name)
    assert kind(answer) == (429, "too-many-requests")
    assert answer.headers["retry-after"] == "15"
    clock.now += 15.0
    assert login(client, "wrong password", name).status_code == 401
    assert login(client, PASSWORD, name).headers["retry-after"] == "30"
    clock.now += 30.0
    assert login(client, PASSWORD, name).status_code == (200 if name == "zhang" else 401)


def test_strangers_with_wrong_passwords_do_not_keep_the_owner_out(
    services: Services, sign_in: SignIn, clock: FakeClock, user: UserRow
) -> None:
    """Not at the place where the owner has signed in before, though the account is locked for all others."""

    async def login(password: str, address: str) -> str:
        try:
            await sign_in.login("zhang", password, "", address)
        except ApiError as error:
            return error.kind
        return "ok"

    async def attack() -> None:
        assert await login(PASSWORD, "10.0.0.2") == "ok"
        for stranger in range(LONG_LOCK_FAILURES):
            assert await login("wrong password", f"10.9.9.{stranger}") == "wrong-credentials"
            clock.now += services.lockout.wait("zhang", "10.9.9.9")
        assert await login("wrong password", "10.9.9.99") == "wrong-credentials"
        assert await login(PASSWORD, "10.9.9.99") == "too-many-requests"
        services.users.update(user.id, now_us=0, locked_until_us=int((clock.now + 2000) * 1e6))
        clock.now += 1000
        assert await login(PASSWORD, "10.9.9.99") == "forbidden"
        assert await login(PASSWORD, "10.0.0.2") == "ok"
        services.users.update(user.id, now_us=0, locked=True)
        assert await login(PASSWORD, "10.0.0.2") == "forbidden", "a lock by hand holds everywhere"

    asyncio.run(attack())


def test_of_two_confirmations_at_once_one_counts(sign_in: SignIn, client: Client, user: UserRow) -> None:
    """One of them counts; the other has come too late, and nothing fails in the switch."""
    token = login(client).json()["access_token"]
    totp = pyotp.TOTP(post(client, "totp", token, password=PASSWORD).json()["secret"])
    code = totp.at(sign_in._services.utc())

    async def both() -> list[object]:
        principal = sign_in._services.tokens.check(token)
        work = (sign_in.confirm_totp(principal, code, "10.0.0.2") for _ in range(2))
        return list(await asyncio.gather(*work, return_exceptions=True))

    assert sorted(type(one).__name__ for one in asyncio.run(both())) == ["ApiError", "Granted"]


def test_an_account_locked_by_hand_is_told_only_to_who_knows_the_password(
    client: Client, services: Services, user: UserRow
) -> None:
    """403 with the right password, 401 with a wrong one."""
    services.users.update(user.id, now_us=0, locked=True)
    assert kind(login(client, "wrong password")) == (401, "wrong-credentials")
    assert kind(login(client)) == (403, "forbidden")


def test_refresh_tokens_serve_once_and_their_theft_ends_the_session(
    client: Client, services: Services, user: UserRow
) -> None:
    """A used one that comes again voids the newest one, and the access tokens of the session at once."""

    def refresh(token: str) -> Any:
        return client.post("/api/v1/auth/refresh", json={"refresh_token": token})

    other = login(client).json()
    first = login(client).json()
    second = refresh(first["refresh_token"]).json()
    assert me(client, second["access_token"]).status_code == 200
    assert kind(refresh(first["refresh_token"])) == (401, "token-expired")
    assert kind(refresh(second["refresh_token"])) == (401, "token-expired")
    assert kind(me(client, second["access_token"])) == (401, "token-expired")
    assert me(client, other["access_token"]).status_code == 200
    assert log(services)[-1] == ("zhang", "auth.refresh", "used again: session ended")
    assert kind(refresh("never given")) == (401, "token-expired")


def test_a_session_ends_in_the_end(client: Client, services: Services, clock: FakeClock, user: UserRow) -> None:
    """However often it is refreshed, after ninety days the password is asked for."""
    token = login(client).json()["refresh_token"]
    for _ in range(9):
        clock.now += 9.5 * 86400
        token = client.post("/api/v1/auth/refresh", json={"refresh_token": token}).json()["refresh_token"]
    clock.now += 5 * 86400
    assert kind(client.post("/api/v1/auth/refresh", json={"refresh_token": token})) == (401, "token-expired")


def test_a_given_password_serves_to_set_another(client: Client, services: Services, user: UserRow) -> None:
    """Until then nothing else is allowed; afterwards the old token and the old password are void."""
    services.users.update(user.id, now_us=0, must_change=True)
    told = login(client).json()
    assert told["must_change"] is True
    token = told["access_token"]
    assert me(client, token).status_code == 200
    assert kind(post(client, "totp", token, password=PASSWORD)) == (403, "password-change-required")
    assert kind(post(client, "password", token, current=PASSWORD, new="short")) == (422, "invalid")
    assert kind(post(client, "password", token, current=PASSWORD, new=PASSWORD)) == (422, "invalid")
    assert kind(post(client, "password", token, current="wrong password", new=OTHER)) == (401, "wrong-credentials")
    answer = post(client, "password", token, current=PASSWORD, new=OTHER)
    assert (answer.status_code, answer.json()["must_change"]) == (200, False)
    assert kind(me(client, token)) == (401, "token-expired")
    assert post(client, "totp", answer.json()["access_token"], password=OTHER).status_code == 200
    assert login(client).status_code == 401
    assert login(client, OTHER).status_code == 200


def test_the_second_factor(client: Client, services: Services, clock: FakeClock, user: UserRow) -> None:
    """It is asked for once confirmed; a code serves once; wrong codes count as failures; both factors disable it."""
    token = login(client).json()["access_token"]
    assert kind(post(client, "totp/confirm", token, code="000000")) == (409, "wrong-state")
    enrolled = post(client, "totp", token, password=PASSWORD).json()
    assert enrolled["uri"].startswith("otpauth://totp/switchboard:zhang?secret=" + enrolled["secret"])
    totp = pyotp.TOTP(enrolled["secret"])
    assert login(client).status_code == 200, "not asked for before it is confirmed"
    wrong = f"{(int(totp.at(clock.now)) + 1) % 1_000_000:06}"
    assert kind(post(client, "totp/confirm", token, code=wrong)) == (401, "wrong-credentials")
    confirmed = post(client, "totp/confirm", token, code=totp.at(clock.now))
    assert confirmed.status_code == 200
    assert kind(me(client, token)) == (401, "token-expired")
    assert me(client, confirmed.json()["access_token"]).json()["totp"] is True
    assert enrolled["secret"].encode() not in services.users.get(user.id).totp_sealed  # type: ignore[union-attr]
    assert kind(login(client)) == (401, "totp-required")
    assert kind(login(client, code=totp.at(clock.now))) == (401, "wrong-credentials"), "it served to confirm"
    clock.now += 30
    assert kind(login(client, "wrong password", code=totp.at(clock.now))) == (401, "wrong-credentials")
    assert login(client, code=totp.at(clock.now)).status_code == 200
    assert kind(login(client, code=totp.at(clock.now))) == (401, "wrong-credentials")
    clock.now += 60
    token = login(client, code=totp.at(clock.now - 30)).json()["access_token"]
    assert kind(post(client, "totp", token, password=PASSWORD)) == (409, "conflict")
    disabled = post(client, "totp/disable", token, password=PASSWORD, code=totp.at(clock.now))
    assert disabled.status_code == 200
    assert login(client).status_code == 200
    actions = [line for line in log(services) if line[1].startswith("auth.totp")]
    assert actions == [
        ("zhang", "auth.totp", "wrong code"), ("zhang", "auth.totp", "ok"), ("zhang", "auth.totp_disabled", "ok"),
    ]  # fmt: skip


def test_codes_cannot_be_guessed_for_long(client: Client, services: Services, clock: FakeClock, user: UserRow) -> None:
    """With the right password too, wrong codes lock the account."""
    secret = pyotp.random_base32()
    from switchboard.store.users import seal_totp

    services.users.update(user.id, now_us=0, totp_sealed=seal_totp(services.vault, secret))
    right = {pyotp.TOTP(secret).at(clock.now + shift) for shift in (-30, 0, 30)}
    codes = [code for code in (f"{number:06}" for number in range(20)) if code not in right]
    assert [login(client, code=code).status_code for code in codes[:6]] == [401] * 5 + [429]


@pytest.mark.parametrize("change", [{"password_hash": "other"}, {"role": "supervisor"}, {"locked": True}])
def test_an_account_changed_during_the_sign_in_gives_no_session(
    client: Client, services: Services, sign_in: SignIn, user: UserRow, monkeypatch: pytest.MonkeyPatch, change: Changes
) -> None:
    """Its password was right when it was looked at, and the new one, the lock or the role came in between."""
    verify = sign_in._verify

    async def slow(stored: str | None, password: str) -> bool:
        right = await verify(stored, password)
        services.users.update(user.id, now_us=1, **change)
        return right

    monkeypatch.setattr(sign_in, "_verify", slow)
    assert kind(login(client)) == (401, "wrong-credentials")


def test_an_account_changed_while_its_session_goes_on_gets_no_more_of_the_old(
    client: Client, services: Services, user: UserRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token that was on its way then is void: it tells the role of before."""
    refresh = login(client).json()["refresh_token"]
    get = services.users.get

    def slow(user_id: str) -> UserRow | None:
        found = get(user_id)
        services.users.update(user.id, now_us=1, role="supervisor")
        services.tokens.withdraw(user.id)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(services.users, "get", slow)
        late = client.post("/api/v1/auth/refresh", json={"refresh_token": refresh}).json()
    assert kind(me(client, late["access_token"])) == (401, "token-expired")
    answer = client.post("/api/v1/auth/refresh", json={"refresh_token": late["refresh_token"]})
    assert kind(answer) == (401, "token-expired")
    assert services.refresh_tokens.issue(user.id, "t", now_us=0, expires_us=1, version=1) == ""


def test_too_many_hashes_at_once_are_refused(client: Client, sign_in: SignIn, user: UserRow) -> None:
    """The queue before the one hashing thread is bounded."""
    sign_in._hashing = 32
    answer = login(client)
    assert kind(answer) == (503, "unavailable")
    assert answer.headers["retry-after"] == "2"


def test_passwords_and_tokens_are_not_printed(client: Client, user: UserRow) -> None:
    """Neither by the types of requests nor of answers."""
    from switchboard.api.auth import DisableBody, LoginBody, PasswordBody, RefreshBody
    from switchboard.api.types import TokenView

    texts = (
        repr(LoginBody(name="zhang", password=PASSWORD)),
        repr(RefreshBody(refresh_token=PASSWORD)),
        repr(PasswordBody(current=PASSWORD, new=PASSWORD)),
        repr(DisableBody(password=PASSWORD, code="123456")),
        repr(TokenView(access_token=PASSWORD, refresh_token=PASSWORD, expires_in=1.0, role="agent")),
    )
    assert not any(PASSWORD in text for text in texts)


def test_what_has_expired_is_cleared_away_by_the_way(
    client: Client, services: Services, clock: FakeClock, user: UserRow
) -> None:
    """Once an hour: refresh tokens that have expired, and lines of the log older than 400 days."""
    old = login(client).json()["refresh_token"]
    clock.now += 401 * 86400
    assert login(client).status_code == 200
    assert len(services.audit.page()) == 1
    rotation = services.refresh_tokens.rotate(old, "x", now_us=0, expires_us=1)
    assert rotation.verdict == "unknown"
    clock.now += 15 * 86400
    services.refresh_tokens.issue(user.id, "expires soon", now_us=0, expires_us=int((clock.now + 60) * 1e6))
    assert login(client).status_code == 200
    clock.now += 120
    assert login(client).status_code == 200
    assert services.refresh_tokens.rotate("expires soon", "x", now_us=0, expires_us=1).verdict == "ok", "not yet due"


async def test_hashing_yields_to_calls(sign_in: SignIn) -> None:
    """A flood of passwords has the cores that calls leave."""
    nice = await sign_in._in_hasher(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert nice >= 10
    assert nice > os.getpriority(os.PRIO_PROCESS, 0) or nice > 10
