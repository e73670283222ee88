"""Errors of Instagram publishing. Source: Instagram Platform › Error Codes (2026-06-02)."""

from __future__ import annotations

from sandbox.meta.errors import refuse
from sandbox.wire import PlatformError


def fetch_failed(url: str) -> PlatformError:
    """The media URL could not be fetched."""
    return refuse(
        "Only photo or video can be accepted as media type.",
        9004,
        2207052,
        title="Media download has failed. The media URI doesn't meet our requirements.",
        user_message=f"The media could not be fetched from this URI: {url} The media URI must be publicly accessible.",
    )


def fetch_timed_out(url: str) -> PlatformError:
    """The host of the media was too slow."""
    return refuse(
        "Timeout", -2, 2207003, title="Timeout", user_message=f"It takes too long to download the media: {url}"
    )


def image_too_large() -> PlatformError:
    """Over 8 MiB."""
    return refuse(
        "The image size is too large.",
        36000,
        2207004,
        title="Image size too large",
        user_message="The image is too large to download. It should be less than 8 MiB.",
    )


def image_format() -> PlatformError:
    """Not a JPEG."""
    return refuse(
        "The image format is not supported.",
        36001,
        2207005,
        title="Unsupported image format",
        user_message="The image format is not supported. Supported formats are JPEG.",
    )


def image_ratio(ratio: float) -> PlatformError:
    """Outside 4:5 to 1.91:1."""
    return refuse(
        "The submitted image with aspect ratio cannot be published.",
        36003,
        2207009,
        title="Invalid aspect ratio",
        user_message=f"The aspect ratio {ratio:.3f} is not supported. It must be between 4:5 and 1.91:1.",
    )


def caption_too_long() -> PlatformError:
    """More than 2200 characters or 30 hashtags."""
    return refuse(
        "The caption was too long.",
        36004,
        2207010,
        title="Caption is too long",
        user_message="The caption can have at most 2200 characters and 30 hashtags.",
    )


def too_many_tags() -> PlatformError:
    """More than 20 people mentioned."""
    return refuse("Cannot use more than 20 tags.", 100, 2207040, user_message="At most 20 mentions are allowed.")


def bad_media_type(message: str) -> PlatformError:
    """The media type does not exist or does not fit."""
    return refuse(f"(#100) {message}", 100, 2207023, title="Unknown media type", user_message=message)


def carousel_size() -> PlatformError:
    """Not 2 to 10 children."""
    return refuse(
        "Carousel must have between 2 and 10 children.",
        100,
        2207028,
        user_message="Carousels need at least 2 photos or videos and no more than 10.",
    )


def bad_location() -> PlatformError:
    """The location does not exist."""
    return refuse("INSTAGRAM_PLATFORM_API__INVALID_LOCATION_ID", 100)


def no_trial() -> PlatformError:
    """Trial reels are for eligible accounts only. The subcode is a field report."""
    return refuse("Trial reels are not available for this account.", 100, 2207081)


def unknown_builder() -> PlatformError:
    """The creation id is unknown, or its container was used already."""
    return refuse("The requested resource does not exist", 24, 2207006, title="Media not found")


def unusable_builder() -> PlatformError:
    """The container ended in an error."""
    return refuse("Media builder with creation ID does not exist or has expired", 24, 2207008, is_transient=True)


def expired_builder() -> PlatformError:
    """The container is older than 24 hours."""
    return refuse("The media container has expired.", -2, 2207020, user_message="Create a new container and try again.")


def not_ready() -> PlatformError:
    """The container is still being processed."""
    return refuse(
        "Media ID is not available",
        9007,
        2207027,
        user_message="The media is not ready for publishing, please wait for a moment",
    )


def quota_reached() -> PlatformError:
    """No more posts for now."""
    return refuse(
        "Application request limit reached",
        9,
        2207042,
        title="You reached maximum number of posts that is allowed to be published by Content Publishing API.",
        user_message="You reached the maximum number of posts allowed in 24 hours.",
    )
