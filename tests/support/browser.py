"""A person at a browser: opens pages, fills in forms with the tokens they carry, reads mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.fake_clock import FakeClock
from whalefall.accounts.logins import Device, create_login
from whalefall.accounts.passwords import hash_password
from whalefall.accounts.signup import create_first_admin
from whalefall.accounts.users import User, create_user, find_user
from whalefall.base.db import Database
from whalefall.base.mail import Mail, list_mails
from whalefall.base.money import Currency
from whalefall.console.session import LOGIN_COOKIE

PASSWORD = "deep water, 4000 m"
PASSWORD_HASH = hash_password(PASSWORD)
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass
class Browser:
    client: httpx.AsyncClient
    database: Database
    clock: FakeClock
    html: str = ""
    status: int = 0

    async def open(self, path: str) -> str:
        """Follow a link, and redirects from it."""
        return self._read(await self.client.get(path, follow_redirects=True))

    async def submit(self, path: str, **fields: object) -> str:
        """Fill in a form on the page that is open and send it."""
        return self._read(await self.post(path, **fields))

    async def post(self, path: str, **fields: object) -> httpx.Response:
        found = _CSRF.search(self.html)
        assert found is not None, "the open page has no form"
        data = {"csrf": found.group(1), **{name: str(value) for name, value in fields.items()}}
        return await self.client.post(path, data=data, follow_redirects=True)

    async def call(self, path: str, **fields: object) -> Any:  # noqa: ANN401 - JSON is anything
        """A JSON call of the console API; its biz_data."""
        response = await self.client.post(
            f"/console/api{path}", json=fields, headers={"x-csrf-token": await self.csrf()}
        )
        assert response.status_code == 200, response.text
        return response.json()["data"]["biz_data"]

    async def csrf(self) -> str:
        found = _CSRF.search(self.html) or _CSRF.search(await self.open("/pricing"))
        assert found is not None
        return found.group(1)

    async def sign_in(self, email: str, password: str = PASSWORD) -> str:
        await self.open("/sign_in")
        return await self.submit("/sign_in", email=email, password=password)

    def enter(self, user: User) -> None:
        """Signed in already, without typing a password: that takes long on purpose."""
        device, now = Device("127.0.0.1", "tests"), self.clock.now()
        _, token = self.database.run(create_login, user.id, device, now, needs_second_factor=False)
        self.client.cookies.clear()
        self.client.cookies.set(LOGIN_COOKIE, token)

    async def sign_up(self, email: str, currency: str = "CNY") -> User:
        self.clock.advance(1)  # letters are told apart by their time
        await self.open("/sign_up")
        await self.submit("/sign_up/code", email=email)
        await self.submit(
            "/sign_up", email=email, code=self.code(email), password=PASSWORD, currency=currency
        )
        user = self.database.run(find_user, email)
        assert user is not None, self.html
        return user

    def mails(self, email: str) -> list[Mail]:
        """Newest first."""
        return [mail for mail in self.database.run(list_mails) if mail.recipient == email.lower()]

    def code(self, email: str) -> str:
        """The code in the newest letter."""
        found = re.search(r"\b\d{6}\b", self.mails(email)[0].text)
        assert found is not None
        return found.group()

    def make_user(self, email: str, currency: Currency = Currency.CNY) -> User:
        return self.database.run(
            create_user,
            email=email,
            now=self.clock.now(),
            currency=currency,
            password_hash=PASSWORD_HASH,
        )

    def make_admin(self, email: str, *, has_own_password: bool = True) -> User:
        if has_own_password:
            return self.database.run(
                create_user,
                email=email,
                now=self.clock.now(),
                is_admin=True,
                password_hash=PASSWORD_HASH,
            )
        admin = self.database.run(
            create_first_admin,
            email=email,
            password_hash=PASSWORD_HASH,
            currency=Currency.CNY,
            now=self.clock.now(),
        )
        assert admin is not None
        return admin

    def _read(self, response: httpx.Response) -> str:
        self.html = response.text
        self.status = response.status_code
        return self.html
