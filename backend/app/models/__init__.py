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
from app.models.events import DeletionRequest, InboundEvent
from app.models.media import MediaAsset, MediaDiscard, MediaRendition, MediaUpload
from app.models.metrics import MetricSnapshot, PostMetrics
from app.models.posts import FollowUp, MediaLoan, Post, PostCountDelta, Publication, PublicationAttempt
from app.models.queue import QueueItem
from app.models.users import ApiKey, AuthSession, IdempotencyKey, Subscription, User

__all__ = [
    "AccountCredential",
    "ApiKey",
    "AuthSession",
    "Base",
    "ConnectionChoice",
    "DeletionRequest",
    "FollowUp",
    "Heartbeat",
    "IdempotencyKey",
    "InboundEvent",
    "MediaAsset",
    "MediaDiscard",
    "MediaLoan",
    "MediaRendition",
    "MediaUpload",
    "MetricSnapshot",
    "OAuthState",
    "Post",
    "PostCountDelta",
    "PostMetrics",
    "Publication",
    "PublicationAttempt",
    "PublishingLane",
    "QueueItem",
    "SocialAccount",
    "Subscription",
    "User",
]
