"""Every table, so that migrations and mappers see all of them."""

from app.models.accounts import (
    AccountCredential,
    ConnectionChoice,
    Heartbeat,
    OAuthState,
    PublishingLane,
    SocialAccount,
)
from app.models.base import Base
from app.models.billing import BillingEvent, BillingPrice, Checkout
from app.models.captions import AiCall, AiSpend, BrandVoice, CaptionBatch, CaptionTemplate, HashtagSet
from app.models.events import DeletionRequest, InboundEvent
from app.models.links import LinkDay, LinkVisitor, ShortLink
from app.models.media import MediaAsset, MediaDiscard, MediaRendition, MediaUpload
from app.models.metrics import MetricSnapshot, PostMetrics
from app.models.outbox import (
    AccountSnapshot,
    Notification,
    NotificationSetting,
    UserEvent,
    WebhookDelivery,
    WebhookEndpoint,
)
from app.models.posts import FollowUp, MediaLoan, Post, PostCountDelta, Publication, PublicationAttempt
from app.models.products import Product, ProductEvent, ProductRule, StoreConnection, SyncRun
from app.models.queue import CaptionVersion, QueueItem
from app.models.schedules import AccountSchedule, PublishingPreferences
from app.models.users import (
    ApiKey,
    AuditEvent,
    AuthSession,
    IdempotencyKey,
    LetterRequest,
    OneTimeToken,
    RecoveryCode,
    Subscription,
    UsageCounter,
    User,
)

__all__ = [
    "AccountCredential",
    "AccountSchedule",
    "AccountSnapshot",
    "AiCall",
    "AiSpend",
    "ApiKey",
    "AuditEvent",
    "AuthSession",
    "Base",
    "BillingEvent",
    "BillingPrice",
    "BrandVoice",
    "CaptionBatch",
    "CaptionTemplate",
    "CaptionVersion",
    "Checkout",
    "ConnectionChoice",
    "DeletionRequest",
    "FollowUp",
    "HashtagSet",
    "Heartbeat",
    "IdempotencyKey",
    "InboundEvent",
    "LetterRequest",
    "LinkDay",
    "LinkVisitor",
    "MediaAsset",
    "MediaDiscard",
    "MediaLoan",
    "MediaRendition",
    "MediaUpload",
    "MetricSnapshot",
    "Notification",
    "NotificationSetting",
    "OAuthState",
    "OneTimeToken",
    "Post",
    "PostCountDelta",
    "PostMetrics",
    "Product",
    "ProductEvent",
    "ProductRule",
    "Publication",
    "PublicationAttempt",
    "PublishingLane",
    "PublishingPreferences",
    "QueueItem",
    "RecoveryCode",
    "ShortLink",
    "SocialAccount",
    "StoreConnection",
    "Subscription",
    "SyncRun",
    "UsageCounter",
    "User",
    "UserEvent",
    "WebhookDelivery",
    "WebhookEndpoint",
]
