"""Failures that people are told about. Each has a code that never changes once released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class FieldError:
    """One wrong field: where it was sent, what is wrong, and a stable name for it."""

    loc: tuple[str | int, ...]
    msg: str
    type: str


class AppError(Exception):
    """Base of every failure that the API reports. `detail` is a sentence that a person can act on."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    detail: str = "Something went wrong on our side."

    def __init__(self, detail: str | None = None, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        if detail is not None:
            self.detail = detail
        super().__init__(self.detail)
        self.headers = headers
        self.extra = extra


class NotAuthenticated(AppError):
    code, status, title = "not_authenticated", 401, "Not authenticated"
    detail = "Not authenticated. Provide a Bearer token or X-API-Key."


class InvalidToken(AppError):
    code, status, title = "invalid_token", 401, "Not authenticated"
    detail = "Invalid or expired token"


class WrongCredentials(AppError):
    code, status, title = "wrong_credentials", 401, "Not authenticated"
    detail = "Invalid email or password"


class SecondFactorRequired(AppError):
    """The password was right; `extra["challenge_token"]` goes with the code to the second step."""

    code, status, title = "second_factor_required", 401, "A code is needed"
    detail = "Send the code of your authenticator app, or a recovery code, with this challenge_token."


class WrongCode(AppError):
    code, status, title = "wrong_code", 401, "Code is wrong"
    detail = "This code is not right, or was used before. Wait for the next one in your app, or use a recovery code."


class WrongPassword(AppError):
    code, status, title = "wrong_password", 400, "Password is wrong"
    detail = "This is not your present password."


class SecondFactorState(AppError):
    code, status, title = "second_factor_state", 400, "Not possible now"
    detail = "This is not possible with the second factor as it is."


class LinkUsedUp(AppError):
    code, status, title = "link_used_up", 400, "Link does not work"
    detail = "This link was used before or is too old. Ask for a new one."


class SessionNotFound(AppError):
    code, status, title = "session_not_found", 404, "Not found"
    detail = "Session not found"


class TooManyTries(AppError):
    code, status, title = "too_many_tries", 429, "Too many tries"
    detail = "Too many tries. Wait a while, then try again."


class ApiKeyNotFound(AppError):
    code, status, title = "api_key_not_found", 404, "Not found"
    detail = "API key not found"


class TooManyKeys(AppError):
    code, status, title = "too_many_keys", 409, "Too many keys"
    detail = "You have as many keys as one can have. Revoke one that you do not use."


class MissingScope(AppError):
    code, status, title = "missing_scope", 403, "Key may not do this"
    detail = "This API key may not do this. Make one with the scope that is needed."


class NotForApiKeys(AppError):
    code, status, title = "not_for_api_keys", 403, "Not for API keys"
    detail = "An API key cannot do this. Sign in instead."


class EmailTaken(AppError):
    code, status, title = "email_taken", 409, "Already registered"
    detail = "A user with this email already exists"


class PlanLimitReached(AppError):
    code, status, title = "plan_limit_reached", 403, "Plan limit reached"
    detail = "Your plan does not reach further this month. Upgrade your plan to go on."


class NotInPlan(AppError):
    code, status, title = "not_in_plan", 403, "Not part of your plan"
    detail = "This is not part of your plan. Upgrade your plan to use it."


class PlanNotForSale(AppError):
    code, status, title = "plan_not_for_sale", 400, "Nothing to buy"
    detail = "The free plan costs nothing and needs no checkout. Choose pro or enterprise."


class AlreadySubscribed(AppError):
    code, status, title = "already_subscribed", 400, "There is a subscription already"
    detail = "You already have a subscription. Change it with POST /api/v1/billing/portal."


class NoSubscription(AppError):
    code, status, title = "no_subscription", 400, "No subscription"
    detail = "You have no subscription that could be changed. Choose a plan with POST /api/v1/billing/checkout."


class CheckoutNotFound(AppError):
    code, status, title = "checkout_not_found", 404, "Not found"
    detail = "Checkout not found"


class CardRefused(AppError):
    code, status, title = "card_refused", 402, "Payment was refused"
    detail = "The payment was refused. Use another card."


class PaymentsUnavailable(AppError):
    code, status, title = "payments_unavailable", 503, "Payments cannot be reached"
    detail = "The payment provider does not answer. Nothing was charged. Try again in a minute."


class PaymentsMisconfigured(AppError):
    code, status, title = "payments_misconfigured", 503, "Payments are not set up"
    detail = "Payments are not set up completely. Whoever runs PostPilot has to run ./postpilot billing-setup."


class WebhookSignatureInvalid(AppError):
    code, status, title = "webhook_signature_invalid", 400, "Signature is wrong"
    detail = "The Stripe-Signature does not fit the body and STRIPE_WEBHOOK_SECRET, or is too old."


class QueueItemNotFound(AppError):
    code, status, title = "queue_item_not_found", 404, "Not found"
    detail = "Queue item not found"


class CaptionVersionNotFound(AppError):
    code, status, title = "caption_version_not_found", 404, "Not found"
    detail = "This item has no such version of its captions."


class QueueItemState(AppError):
    code, status, title = "queue_item_state", 400, "Not possible in this state"
    detail = "This is not possible with the item as it is."


class QueueItemNotDeletable(AppError):
    code, status, title = "queue_item_not_deletable", 400, "Item cannot be deleted"
    detail = "Cannot delete approved or posted items"


class QueueItemBusy(AppError):
    code, status, title = "queue_item_busy", 409, "Captions are being written"
    detail = "Captions are being written for this item. Wait until they are there."


class QueueItemChanged(AppError):
    code, status, title = "queue_item_changed", 409, "Item was changed meanwhile"
    detail = "This item was changed meanwhile. Look at it again, then repeat what you wanted."


class CaptionNeedsReview(AppError):
    """Something in a caption does not match the product; `extra["findings"]` says what."""

    code, status, title = "caption_needs_review", 409, "Caption does not match the product"
    detail = "Something in a caption does not match the product. Correct it, or accept what was found."


class NoFreeSlot(AppError):
    code, status, title = "no_free_slot", 409, "No free time"
    detail = (
        "There is no free time in this account's schedule. Add slots, raise the daily limit, or choose a later end."
    )


class CaptionNotWritten(AppError):
    code, status, title = "caption_not_written", 422, "No caption"
    detail = "No caption came of it. Write it by hand, or change the product's text and try again."


class WriterUnavailable(AppError):
    code, status, title = "caption_writer_unavailable", 503, "Captions cannot be written now"
    detail = "Captions cannot be written at the moment. Try again in a minute, or write by hand."


class AiBudgetUsedUp(AppError):
    code, status, title = "ai_budget_used_up", 403, "Monthly budget used up"
    detail = "The monthly budget for AI captions is used up. Raise it, or write by hand until next month."


class TemplateNotFound(AppError):
    code, status, title = "template_not_found", 404, "Not found"
    detail = "Template not found"


class HashtagSetNotFound(AppError):
    code, status, title = "hashtag_set_not_found", 404, "Not found"
    detail = "Hashtag set not found"


class LinkNotFound(AppError):
    code, status, title = "link_not_found", 404, "Not found"
    detail = "Link not found"


class PostNotFound(AppError):
    code, status, title = "post_not_found", 404, "Not found"
    detail = "Post not found"


class AccountNotFound(AppError):
    code, status, title = "account_not_found", 404, "Not found"
    detail = "Account not found"


class ChoiceNotFound(AppError):
    code, status, title = "choice_not_found", 404, "Not found"
    detail = "This sign-in is no longer open. Start to connect the account again."


class MetricsNotFound(AppError):
    code, status, title = "metrics_not_found", 404, "Not found"
    detail = "No metrics for this post yet"


class MediaNotFound(AppError):
    code, status, title = "media_not_found", 404, "Not found"
    detail = "File not found"


class MediaInUse(AppError):
    code, status, title = "media_in_use", 409, "File is used by a post"
    detail = "A post that is still to go out uses this file. Remove it from the post, or delete the post, first."


class MediaTooLarge(AppError):
    code, status, title = "media_too_large", 413, "File too large"
    detail = "The file is too large."


class StorageFull(AppError):
    code, status, title = "storage_full", 507, "No room for more files"
    detail = "There is no room for more files. Delete some that you do not need, or ask whoever runs PostPilot."


class TooManyUploads(AppError):
    code, status, title = "too_many_uploads", 429, "Too many uploads at once"
    detail = "Too many of your uploads are under way. Finish some of them or give them up, then begin this one."


class TooManyFixes(AppError):
    code, status, title = "too_many_fixes", 429, "Too many files being made"
    detail = "Too many files are being made for you. Wait until one of them is ready, then ask again."


class UploadNotFound(AppError):
    code, status, title = "upload_not_found", 404, "Not found"
    detail = "This upload does not exist or has expired. Begin it again."


class UploadOffsetConflict(AppError):
    code, status, title = "upload_offset_conflict", 409, "Upload continues elsewhere"
    detail = "The upload does not continue at this offset. Ask for its offset with HEAD."


class UploadBusy(AppError):
    code, status, title = "upload_busy", 423, "Upload is being written"
    detail = "Another request writes to this upload. Try again in a moment."


class UploadChecksumMismatch(AppError):
    code, status, title = "upload_checksum_mismatch", 460, "Checksum does not match"
    detail = "The bytes that arrived are not the ones that were sent. Send them again."


class TusVersionUnsupported(AppError):
    code, status, title = "tus_version_unsupported", 412, "Version of tus not supported"
    detail = "Send the header Tus-Resumable: 1.0.0."


class UploadTypeUnsupported(AppError):
    code, status, title = "upload_type_unsupported", 415, "Unsupported content type"
    detail = "Send the bytes as application/offset+octet-stream."


class StoreAway(AppError):
    code, status, title = "media_store_away", 503, "Files cannot be reached"
    detail = "The place where files are kept does not answer. Try again in a minute."


class ConnectionNotFound(AppError):
    code, status, title = "connection_not_found", 404, "Not found"
    detail = "Store connection not found"


class ProductNotFound(AppError):
    code, status, title = "product_not_found", 404, "Not found"
    detail = "Product not found"


class ProductNotEditable(AppError):
    code, status, title = "product_not_editable", 400, "Product comes from a shop"
    detail = "This product is read from a shop. Change it there; the next reading brings the change here."


class ProductRuleNotFound(AppError):
    code, status, title = "product_rule_not_found", 404, "Not found"
    detail = "Rule not found"


class WebhookEndpointNotFound(AppError):
    code, status, title = "webhook_endpoint_not_found", 404, "Not found"
    detail = "Webhook endpoint not found"


class DeliveryNotFound(AppError):
    code, status, title = "webhook_delivery_not_found", 404, "Not found"
    detail = "This endpoint has no such delivery. Ended ones are kept for 30 days."


class TooManyWebhookEndpoints(AppError):
    code, status, title = "too_many_webhook_endpoints", 409, "Too many endpoints"
    detail = "There are as many webhook endpoints as there can be. Delete one first."


class NotificationNotFound(AppError):
    code, status, title = "notification_not_found", 404, "Not found"
    detail = "Notification not found"


class TooManyStreams(AppError):
    code, status, title = "too_many_streams", 429, "Too many streams at once"
    detail = "Too many live streams are open for you. Close some windows, then try again."


class RouteNotFound(AppError):
    code, status, title = "route_not_found", 404, "Not found"
    detail = "There is nothing at this address."


class MethodNotAllowed(AppError):
    code, status, title = "method_not_allowed", 405, "Method not allowed"
    detail = "This address does not answer this method."


class PastTime(AppError):
    code, status, title = "past_time", 400, "Time is in the past"
    detail = "Cannot schedule a post in the past"


class PostNotEditable(AppError):
    code, status, title = "post_not_editable", 400, "Post cannot be changed"
    detail = "Cannot update a post that has been posted or failed"


class PostChanged(AppError):
    code, status, title = "post_changed", 409, "Post was changed meanwhile"
    detail = "This post was changed meanwhile. Look at it again, then repeat what you wanted."


class PostNotDeletable(AppError):
    code, status, title = "post_not_deletable", 400, "Post cannot be deleted"
    detail = "Cannot delete a post that has been posted"


class PostNotRetryable(AppError):
    code, status, title = "post_not_retryable", 400, "Post cannot be retried"
    detail = "Only a failed post can be retried"


class PostNotPosted(AppError):
    code, status, title = "post_not_posted", 400, "Post is not out"
    detail = "Only a post that is out can be deleted at its platform."


class DeleteNotPossible(AppError):
    code, status, title = "delete_not_possible", 400, "Cannot be deleted from here"
    detail = "This platform offers no way to delete a post from here. Delete it in its app."


class InvalidSignature(AppError):
    code, status, title = "invalid_signature", 401, "Signature is wrong"
    detail = "The signature does not fit the body and the app's secret."


class InvalidPayload(AppError):
    code, status, title = "invalid_json_payload", 400, "Body cannot be read"
    detail = "Invalid JSON payload"


class AccountNotConnected(AppError):
    code, status, title = "account_needs_reconnect", 400, "Account is not connected"
    detail = "This account is not connected. Reconnect it first."


class InvalidState(AppError):
    code, status, title = "invalid_oauth_state", 400, "Sign-in cannot be matched"
    detail = "This sign-in was already used or has expired. Start to connect the account again."


class PlatformUnavailable(AppError):
    code, status, title = "platform_unavailable", 503, "Platform does not answer"
    detail = "The platform does not answer. Try again in a minute."


class ConnectRefused(AppError):
    code, status, title = "connect_refused", 400, "Account cannot be connected"
    detail = "The platform did not let us connect this account."


class InvalidRequest(AppError):
    """Wrong input, field by field."""

    code, status, title = "invalid_request", 422, "Invalid request"
    detail = "Some fields are not right."

    def __init__(self, errors: list[FieldError], detail: str | None = None) -> None:
        super().__init__(detail or (errors[0].msg if errors else None))
        self.errors = errors


class MediaRefused(InvalidRequest):
    """A file that is not taken; the field's type is the reason's name."""

    code, title = "media_refused", "File is not taken"

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__([FieldError(("body", "file"), sentence, reason)], sentence)


class IdempotencyKeyReused(InvalidRequest):
    code, title = "idempotency_key_reused", "Idempotency key was used for another request"

    def __init__(self) -> None:
        sentence = "This Idempotency-Key was already used with a different request. Use a new key."
        super().__init__([FieldError(("header", "idempotency-key"), sentence, "idempotency_key_reused")], sentence)


class NotReady(AppError):
    code, status, title = "not_ready", 503, "Not doing its work"
    detail = "PostPilot is not doing all of its work."
