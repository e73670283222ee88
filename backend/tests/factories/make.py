"""Rows with valid defaults: a test states only what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from sqlalchemy import Row, insert, select, text

from app.composition import Container
from app.domain.vocabulary import AccountMode, AccountStatus, Platform, PostStatus
from app.kit.ids import new_id
from app.models import AuthSession, Post, PostMetrics, ShortLink, SocialAccount, User
from app.services.auth_service import ALGORITHM

POST_TYPES = {"facebook": "text", "instagram": "image", "tiktok": "video"}


@dataclass(frozen=True)
class MadeUser:
    """A user, and the header that signs in as them."""

    id: UUID
    email: str
    headers: Mapping[str, str]


class Factory:
    """Writes rows through a container's sessions."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self._count = 0

    def _next(self) -> int:
        self._count += 1
        return self._count

    async def execute(self, statement: str, **parameters: Any) -> list[Row[Any]]:
        """Run one statement in a transaction of its own."""
        async with self.container.sessions() as session:
            result = await session.execute(text(statement), parameters)
            rows = list(result.all()) if result.returns_rows else []
            await session.commit()
        return rows

    async def scalar(self, statement: str, **parameters: Any) -> Any:
        rows = await self.execute(statement, **parameters)
        return rows[0][0] if rows else None

    async def count(self, table: str) -> int:
        return int(await self.scalar(f"SELECT count(*) FROM {table}"))  # noqa: S608

    async def user(
        self,
        *,
        timezone: str = "UTC",
        email: str | None = None,
        is_active: bool = True,
        plan: str = "enterprise",
    ) -> MadeUser:
        """Insert a user who is signed in; without limits unless the test is about them."""
        user_id = new_id()
        address = email or f"user-{user_id.hex}@example.com"
        async with self.container.sessions() as session:
            await session.execute(
                insert(User).values(id=user_id, email=address, timezone=timezone, is_active=is_active)
            )
            await session.execute(
                insert(AuthSession).values(
                    id=user_id,
                    user_id=user_id,
                    expires_at=datetime.now(UTC) + timedelta(days=9_999),
                    current_token_id=new_id(),
                )
            )
            await session.commit()
        if plan != "free":
            await self.subscribe(MadeUser(user_id, address, {}), plan)
        return MadeUser(user_id, address, {"Authorization": f"Bearer {self.access_token(user_id)}"})

    def access_token(self, user_id: UUID, **claims: Any) -> str:
        """Return a token of the session that `user` has begun."""
        rules = self.container.sign_in.tokens
        now = datetime.now(UTC)
        payload = {
            "sub": str(user_id),
            "sid": str(user_id),
            "type": "access",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=15)).timestamp()),
            **claims,
        }
        return jwt.encode(payload, rules.secret, ALGORITHM)

    async def account(
        self,
        owner: MadeUser,
        platform: str = "facebook",
        *,
        status: AccountStatus = AccountStatus.connected,
        account_name: str | None = None,
        **values: Any,
    ) -> Row[Any]:
        """Insert an account and its lane; it has no tokens."""
        number = self._next()
        fields = {
            "id": new_id(),
            "user_id": owner.id,
            "platform": Platform(platform),
            "account_name": account_name or f"Shop {number}",
            "account_id_external": f"{platform}-{number}",
            "mode": AccountMode.sandbox,
            "status": status,
            "connected_at": datetime.now(UTC),
            **values,
        }
        async with self.container.sessions() as session:
            rows = await session.execute(insert(SocialAccount).values(fields).returning(*SocialAccount.__table__.c))
            account = rows.one()
            await session.execute(
                text("INSERT INTO publishing_lanes (account_id) VALUES (:id) ON CONFLICT DO NOTHING"),
                {"id": account.id},
            )
            await session.commit()
        return account

    async def post(
        self, owner: MadeUser, account: Any, *, status: PostStatus = PostStatus.draft, **values: Any
    ) -> Row[Any]:
        """Insert a post; it has no publication."""
        at = values.pop("scheduled_for", None)
        if at is None and status is not PostStatus.draft:
            at = datetime.now(UTC) + timedelta(days=1)
        fields = {
            "id": new_id(),
            "user_id": owner.id,
            "account_id": account.id,
            "platform": account.platform,
            "post_type": POST_TYPES[account.platform],
            "content": f"Fresh coffee {self._next()}",
            "status": status,
            "scheduled_for": at,
            **values,
        }
        async with self.container.sessions() as session:
            rows = await session.execute(insert(Post).values(fields).returning(*Post.__table__.c))
            post = rows.one()
            await session.commit()
        return post

    async def metrics(self, post: Any, **values: Any) -> UUID:
        """Insert the latest numbers of a post."""
        fields = {
            "id": new_id(),
            "post_id": post.id,
            "user_id": post.user_id,
            "account_id": post.account_id,
            "platform": post.platform,
            "posted_at": datetime.now(UTC),
            "fetched_at": datetime.now(UTC),
            "reads": 1,
            **values,
        }
        async with self.container.sessions() as session:
            await session.execute(insert(PostMetrics).values(fields))
            await session.commit()
        return UUID(str(fields["id"]))

    async def link(self, owner: MadeUser, *, code: str, **values: Any) -> ShortLink:
        link = ShortLink(
            **{"id": new_id(), "target_url": "https://shop.example/", **values}, user_id=owner.id, code=code
        )
        async with self.container.sessions() as session:
            session.add(link)
            await session.flush()
            session.expunge(link)
            await session.commit()
        return link

    async def subscribe(self, owner: MadeUser, plan: str) -> None:
        """Give a user a plan, in the place of the one there is."""
        await self.execute(
            "INSERT INTO subscriptions (id, user_id, plan, status, mode) "
            "VALUES (:id, :user_id, :plan, 'active', 'test') "
            "ON CONFLICT (user_id) DO UPDATE SET plan = EXCLUDED.plan, status = 'active'",
            id=new_id(),
            user_id=owner.id,
            plan=plan,
        )

    async def reload(self, post_id: UUID | str) -> Row[Any]:
        """Read a post as it is stored."""
        async with self.container.sessions() as session:
            rows = await session.execute(select(*Post.__table__.c).where(Post.id == UUID(str(post_id))))
            return rows.one()

    async def publications(self, post_id: UUID | str) -> list[Row[Any]]:
        return await self.execute("SELECT * FROM publications WHERE post_id = :id ORDER BY run", id=UUID(str(post_id)))

    async def lane(self, account_id: UUID) -> Row[Any]:
        rows = await self.execute("SELECT * FROM publishing_lanes WHERE account_id = :id", id=account_id)
        return rows[0]
