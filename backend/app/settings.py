"""Every setting of PostPilot, typed and with units. Read from the environment, then `.env`, then the
secrets that the installer generated (`DATA_DIR/secrets.env`)."""

from __future__ import annotations

import os
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def data_dir() -> Path:
    """Return the data folder before the settings exist: the secrets file lies in it."""
    return _absolute(os.environ.get("DATA_DIR") or _from_dotenv("DATA_DIR") or ".data")


def _absolute(path: str) -> Path:
    given = Path(path).expanduser()
    return given if given.is_absolute() else PROJECT_ROOT / given


def _from_dotenv(name: str) -> str | None:
    return dotenv_values(PROJECT_ROOT / ".env").get(name) or None


class Settings(BaseSettings):
    """Settings of one process. Names are the environment variables in lower case."""

    model_config = SettingsConfigDict(env_file_encoding="utf-8", extra="ignore", frozen=True, env_ignore_empty=True)

    environment: Literal["development", "production", "test"] = "development"

    # Places
    data_dir: Path = Path(".data")
    host: str = "127.0.0.1"
    api_port: int = 8106
    dashboard_port: int = 3106
    landing_port: int = 3206
    postgres_port: int = 5506
    redis_port: int = 6406
    sandbox_port: int = 8206
    sandbox_smtp_port: int = 2526
    database_url: str = ""
    redis_url: str = ""
    public_url: str = ""
    dashboard_url: str = ""
    sandbox_url: str = ""

    # Secrets, generated at install
    jwt_secret_key: SecretStr = SecretStr("")
    token_encryption_keys: SecretStr = SecretStr("")
    platform_webhook_secret: SecretStr = SecretStr("")
    platform_api_key: SecretStr = SecretStr("")
    """What an integrating shop platform sends as X-API-Key to make users."""
    meta_webhook_verify_token: SecretStr = SecretStr("")
    """What to enter as verify token in the Meta app's webhook settings."""
    sandbox_app_secret: SecretStr = SecretStr("")
    postgres_password: SecretStr = SecretStr("")
    demo_password: SecretStr = SecretStr("")
    demo_email: str = "demo@example.com"

    # Platform apps; a platform without credentials runs against the sandbox
    instagram_app_id: str = ""
    instagram_app_secret: SecretStr = SecretStr("")
    facebook_app_id: str = ""
    facebook_app_secret: SecretStr = SecretStr("")
    tiktok_client_key: str = ""
    tiktok_client_secret: SecretStr = SecretStr("")
    tiktok_app_audited: bool = False
    meta_graph_version: str = "v25.0"

    # Platform hosts; set explicitly they always win
    instagram_oauth_url: str = ""
    instagram_api_url: str = ""
    instagram_graph_url: str = ""
    facebook_oauth_url: str = ""
    facebook_graph_url: str = ""
    meta_upload_url: str = ""
    tiktok_auth_url: str = ""
    tiktok_api_url: str = ""
    tiktok_upload_hosts: str = ""

    # Sign-in
    access_token_minutes: int = Field(15, ge=1)
    refresh_token_days: int = Field(30, ge=1)
    sign_up_confirms_email: bool = False
    """Whether an address must be confirmed before its owner is signed in. Then signing up answers alike for known and
    unknown addresses; otherwise it signs in at once, and says when an address is taken."""
    cors_origins: str = ""
    """Origins of web pages that may call the API from browsers, comma-separated. None is needed for the dashboard,
    which is served from one origin with the API."""

    # Mail; without a server of one's own it goes to the sandbox's mailbox
    smtp_host: str = ""
    smtp_port: int = Field(0, ge=0, le=65_535)
    """0 for the usual port of the chosen security: 587, 465 or 25."""
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    mail_from: str = ""
    """The From line of letters, `Name <address>` or an address; empty for no-reply at the host of `PUBLIC_URL`."""

    # Outgoing webhooks
    webhook_allowed_networks: str = ""
    """Private networks (CIDR, comma-separated) that webhooks may be sent to, for receivers beside PostPilot."""

    # Publishing
    late_post_grace_hours: float = Field(6.0, gt=0)
    publish_retry_hours: float = Field(24.0, gt=0)
    publish_concurrency: int = Field(200, ge=1, le=2000)
    publish_lease_seconds: int = Field(30, ge=5)
    dispatch_seconds: float = Field(1.0, gt=0)
    visibility_seconds: int = Field(180, ge=1)
    """How long a platform may take to show a new post in its lists: before that, its absence proves nothing."""
    tiktok_pull_fence_seconds: int = Field(3600, ge=1)
    """How long TikTok may go on downloading after a photo post was begun: before that, a lost one is not repeated."""
    live_check_minutes: float = Field(5.0, gt=0)
    """How long after publishing a post is looked at once more."""
    metrics_ages_minutes: tuple[float, ...] = (0.5, 15, 60, 360, 1440, 4320, 10080, 20160, 43200)
    worker_processes: int = Field(1, ge=1, le=64)
    api_workers: int = Field(1, ge=1, le=64)

    # Captions; without a key the built-in writer writes them
    anthropic_api_key: SecretStr = SecretStr("")
    anthropic_base_url: str = "https://api.anthropic.com"
    ai_caption_model: str = "claude-haiku-5-5"
    ai_caption_fallback_model: str = ""
    """Asked when the first one is overloaded; empty for none."""
    ai_caption_effort: Literal["low", "medium", "high", ""] = "low"
    """How much the model thinks, where it can be told; empty for its own default."""
    ai_caption_max_tokens: int = Field(2048, ge=256, le=32_000)
    """Longest answer, thinking included. One that is cut off is asked for once more with twice as much."""
    ai_timeout_seconds: float = Field(90.0, gt=0, le=300)
    ai_monthly_budget_usd: Decimal = Field(Decimal(0), ge=0)
    """What all captions of a calendar month (UTC) may cost together; 0 for no limit."""
    ai_concurrency: int = Field(20, ge=1, le=500)
    """How many captions one process writes at a time."""

    # Payment; without a key plans are active at once, in test mode
    stripe_secret_key: SecretStr = SecretStr("")
    stripe_webhook_secret: SecretStr = SecretStr("")
    """What deliveries are signed with; two, with a comma between them, while one takes the place of the other."""
    stripe_api_base: str = "https://api.stripe.com"
    payment_timeout_seconds: float = Field(8.0, gt=0, le=60)
    """Longest wait for one answer; an answer that does not come is asked for twice more."""

    # Media
    media_allowed_networks: str = ""
    """Extra networks (CIDR, comma-separated) that media URLs may point to, for shops with a media host of their own."""
    media_max_bytes: int = Field(1_000_000_000, ge=1)
    """Largest file that is taken, uploaded or fetched. It never is in memory as a whole."""
    media_free_space_min_bytes: int = Field(1_000_000_000, ge=0)
    """Uploads are refused when less than this would stay free on the disk of the data folder."""
    media_open_uploads_max: int = Field(20, ge=1)
    """How many resumable uploads one user may have under way."""
    media_unused_days: float = Field(30.0, gt=0)
    """Uploaded files that no post names are removed after this time."""
    media_store: Literal["disk", "s3"] = "disk"
    """Where uploaded files are kept: in the data folder, or in a bucket of a service that speaks S3."""
    s3_endpoint_url: str = ""
    """Empty for Amazon's own."""
    s3_bucket: str = ""
    s3_region: str = "us-east-1"
    s3_access_key_id: str = ""
    s3_secret_access_key: SecretStr = SecretStr("")
    s3_prefix: str = ""
    public_url_check: bool = True
    """Whether PostPilot fetches from its own public address before it sends a live platform there. Switch it off
    where this machine cannot reach its own public address although others can."""

    @field_validator("data_dir")
    @classmethod
    def _data_dir_is_absolute(cls, value: Path) -> Path:
        return _absolute(str(value))

    @model_validator(mode="after")
    def _bucket_is_named(self) -> Self:
        needed = (self.s3_bucket, self.s3_access_key_id, self.s3_secret_access_key.get_secret_value())
        if self.media_store == "s3" and not all(needed):
            raise ValueError("MEDIA_STORE=s3 needs S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY")
        return self

    @property
    def database_dsn(self) -> str:
        """SQLAlchemy URL of the database: the embedded server unless `DATABASE_URL` names another."""
        password = quote(self.postgres_password.get_secret_value(), safe="")
        embedded = f"postgresql://postpilot:{password}@127.0.0.1:{self.postgres_port}/postpilot"
        url = self.database_url or embedded
        for scheme in ("postgres://", "postgresql://"):
            if url.startswith(scheme):
                return "postgresql+asyncpg://" + url[len(scheme) :]
        return url

    @property
    def broker_url(self) -> str:
        """URL of the broker: the embedded server unless `REDIS_URL` names another."""
        return self.redis_url or f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def public_base(self) -> str:
        """Address under which platforms reach this installation, without a trailing slash."""
        return (self.public_url or f"http://localhost:{self.api_port}").rstrip("/")

    @property
    def dashboard_base(self) -> str:
        return (self.dashboard_url or f"http://localhost:{self.dashboard_port}").rstrip("/")

    @property
    def mail_sender(self) -> str:
        """The From line of letters."""
        return self.mail_from or f"PostPilot <no-reply@{urlsplit(self.public_base).hostname or 'localhost'}>"

    @property
    def sandbox_base(self) -> str:
        return (self.sandbox_url or f"http://localhost:{self.sandbox_port}").rstrip("/")


@lru_cache
def get_settings() -> Settings:
    """Read the settings once per process."""
    files = (data_dir() / "secrets.env", PROJECT_ROOT / ".env")
    return Settings(_env_file=files)
