"""What the sandbox remembers. Every field is plain JSON, so that a record is stored as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

Platform = Literal["instagram", "facebook", "tiktok"]
PLATFORMS: tuple[Platform, ...] = ("instagram", "facebook", "tiktok")


class MediaItem(TypedDict):
    """One picture or video of a post, as the platform keeps it."""

    id: str
    file: str
    kind: Literal["image", "video"]
    width: int
    height: int
    duration: float
    alt: str


@dataclass(slots=True, kw_only=True)
class Persona:
    """A professional account, Page or creator that exists on a platform."""

    platform: Platform
    account_id: str
    name: str
    username: str
    user_id: str
    """Instagram: app-scoped id. Facebook: id of the person who owns the Page. TikTok: union_id."""
    created_at: float
    followers: int = 1_500
    likes: int = 1_480
    category: str = "Shopping & retail"
    tasks: list[str] = field(default_factory=list)
    in_portfolio: bool = False
    private: bool = False
    instagram_id: str = ""
    """Facebook: the professional Instagram account linked to the Page."""
    trial_reels: bool = True
    """Instagram: whether the account may publish trial reels."""
    creator_blocked: str = ""
    max_duration_seconds: int = 600
    comment_disabled: bool = False
    duet_disabled: bool = False
    stitch_disabled: bool = False
    subscribed: list[str] = field(default_factory=list)
    """Fields of webhooks that an app asked for."""

    @property
    def key(self) -> str:
        """Key in the collection of personas."""
        return f"{self.platform}:{self.account_id}"


@dataclass(slots=True, kw_only=True)
class Person:
    """A Facebook user, who owns Pages."""

    id: str
    name: str


@dataclass(slots=True, kw_only=True)
class Grant:
    """One consent: who allowed the app what, for which accounts."""

    id: str
    platform: Platform
    user_id: str
    account_ids: list[str]
    scopes: list[str]
    created_at: float
    revoked: bool = False
    declined: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Code:
    """An authorization code on its way from the consent page to the exchange."""

    value: str
    grant_id: str
    redirect_uri: str
    issued_at: float
    challenge: str = ""
    used: bool = False


@dataclass(slots=True, kw_only=True)
class Token:
    """An access or refresh token."""

    value: str
    platform: Platform
    kind: Literal["short", "long", "user_short", "user_long", "page", "access", "refresh"]
    grant_id: str
    account_id: str
    issued_at: float
    expires_at: float
    """0 = never."""
    parent: str = ""
    dead: int = 0
    """Why it died before its time: a Graph subcode of code 190; 1 for TikTok. 0 = alive."""


@dataclass(slots=True, kw_only=True)
class Container:
    """An Instagram media container."""

    id: str
    account_id: str
    kind: Literal["image", "reel", "story_image", "story_video", "child_image", "child_video", "carousel"]
    created_at: float
    url: str = ""
    caption: str = ""
    alt: str = ""
    children: list[str] = field(default_factory=list)
    media: list[MediaItem] = field(default_factory=list)
    thumb_offset_ms: int = 0
    cover_url: str = ""
    share_to_feed: bool = True
    choices: dict[str, Any] = field(default_factory=dict)
    """Everything else its owner chose, in the platform's words."""
    is_upload: bool = False
    """Whether the bytes are sent instead of fetched."""
    size: int = 0
    received: int = 0
    ready_at: float = 0.0
    """When processing ends; 0 while the media has not been fetched."""
    error_subcode: int = 0
    media_id: str = ""


@dataclass(slots=True, kw_only=True)
class Photo:
    """A photo uploaded to a Page."""

    id: str
    account_id: str
    media: MediaItem
    created_at: float
    caption: str = ""
    post_id: str = ""


@dataclass(slots=True, kw_only=True)
class Video:
    """A video or reel of a Page, from the start call on."""

    id: str
    account_id: str
    kind: Literal["video", "reel", "video_story"]
    created_at: float
    session_id: str = ""
    size: int = 0
    received: int = 0
    uploaded_at: float = 0.0
    media: list[MediaItem] = field(default_factory=list)
    failure_code: int = 0
    failure: str = ""
    finished_at: float = 0.0
    ready_at: float = 0.0
    state: str = ""
    post_id: str = ""


@dataclass(slots=True, kw_only=True)
class Publish:
    """One TikTok posting task, from init on."""

    id: str
    account_id: str
    kind: Literal["video", "photo"]
    created_at: float
    text: str = ""
    title: str = ""
    privacy: str = ""
    choices: dict[str, Any] = field(default_factory=dict)
    """Everything else the creator chose, in the platform's words."""
    to_inbox: bool = False
    urls: list[str] = field(default_factory=list)
    upload_id: str = ""
    upload_token: str = ""
    size: int = 0
    chunk_size: int = 0
    chunk_count: int = 0
    received: int = 0
    downloaded: int = 0
    media: list[MediaItem] = field(default_factory=list)
    ready_at: float = 0.0
    """When the outcome shows; 0 while bytes are still missing."""
    fail_reason: str = ""
    post_id: str = ""


@dataclass(slots=True, kw_only=True)
class Post:
    """Something followers see (TikTok `SELF_ONLY`: only its owner sees it)."""

    platform: Platform
    account_id: str
    id: str
    kind: str
    text: str
    shortcode: str
    published_at: float
    listed_at: float
    """When the platform's lists begin to show it."""
    source_id: str = ""
    """Container, video or publish id it came from."""
    title: str = ""
    link: str = ""
    link_title: str = ""
    privacy: str = "PUBLIC"
    choices: dict[str, Any] = field(default_factory=dict)
    """Everything else its owner chose, in the platform's words."""
    media: list[MediaItem] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Key in the collection of posts."""
        return f"{self.platform}:{self.id}"


@dataclass(slots=True, kw_only=True)
class StripeThing:
    """An object of Stripe's, or the answer that an idempotency key replays."""

    id: str
    kind: str
    body: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Comment:
    """What somebody wrote under a post."""

    id: str
    post_key: str
    """Key of the post in the collection of posts."""
    author_id: str
    author_name: str
    text: str
    created_at: float


@dataclass(slots=True, kw_only=True)
class Mail:
    """A letter that was handed over by SMTP, as one of its recipients got it."""

    id: str
    to: str
    sender: str
    subject: str
    text: str
    html: str
    headers: list[list[str]]
    """Names and values in their order."""
    received_at: float
