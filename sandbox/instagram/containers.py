"""Containers: creating, fetching the media, status. Source: Content Publishing; IG User Media; IG Container."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.core import Sandbox
from sandbox.instagram import errors, rules
from sandbox.library import META_FETCHER, FetchError
from sandbox.media import is_allowed_url
from sandbox.meta import params
from sandbox.meta.auth import require_scope, require_token
from sandbox.meta.errors import bad_parameter, missing_object, refuse
from sandbox.meta.fields import Field, parse, render
from sandbox.records import Container
from sandbox.wire import Answer, Call, ok

CONTAINER_SECONDS = 24 * 3_600
"""Life of a container, seconds (24 h). Source: Content Publishing."""
CONTAINERS_PER_DAY = 400
"""Containers per account in 24 h. Source: Content Publishing."""

_DOWNLOAD_FAILED = 2207052
_RANGE_IGNORED = 2207077
_FETCH_BYTES = 1_000_000_000

_STATUS_TEXT = {
    "IN_PROGRESS": "In Progress: Media is still being processed.",
    "FINISHED": "Finished: Media has been uploaded and it is ready to be published.",
    "PUBLISHED": "Published: Media has been successfully published.",
    "EXPIRED": "Expired: The container was not published within 24 hours and has expired.",
}
_FIELDS = frozenset({"id", "status_code", "status", "video_status", "copyright_check_status"})

_COMMON: dict[str, params.Check] = {
    "caption": params.text,
    "location_id": params.object_id,
    "collaborators": params.array,
    "is_ai_generated": params.boolean,
}
_KINDS: dict[str, dict[str, params.Check]] = {
    "image": {**_COMMON, "image_url": params.text, "alt_text": params.text, "user_tags": params.array},
    "reel": {
        **_COMMON,
        "media_type": params.choice("REELS"),
        "video_url": params.text,
        "share_to_feed": params.boolean,
        "cover_url": params.text,
        "thumb_offset": params.number,
        "audio_name": params.text,
        "user_tags": params.array,
        "trial_params": params.mapping,
    },
    "child_image": {
        "is_carousel_item": params.boolean,
        "image_url": params.text,
        "alt_text": params.text,
        "user_tags": params.array,
    },
    "child_video": {
        "is_carousel_item": params.boolean,
        "media_type": params.choice("VIDEO"),
        "video_url": params.text,
        "user_tags": params.array,
        "thumb_offset": params.number,
    },
    "carousel": {**_COMMON, "media_type": params.choice("CAROUSEL"), "children": lambda _, value: value},
}
_REQUIRED = {
    "image": ("image_url",),
    "reel": ("video_url",),
    "child_image": ("image_url",),
    "child_video": ("video_url",),
    "carousel": ("children",),
}


async def create(call: Call) -> Answer:
    """`POST /{ig}/media`."""
    token = require_token(call)
    require_scope(call, token, "instagram_business_basic", "instagram_business_content_publish")
    kind = _kind(call.params)
    values = params.read(call.params, _KINDS[kind], _REQUIRED[kind])
    _check_values(values)
    sandbox = call.sandbox
    now = sandbox.clock.now()
    limit = CONTAINERS_PER_DAY if sandbox.knobs.enforce_rate_limits else 10**9
    if not sandbox.windows.admit(f"containers:{token.account_id}", now, 86_400, limit):
        raise refuse("Application request limit reached", 4)
    container = Container(
        id=ids.digits("178", 17),
        account_id=token.account_id,
        kind=kind,  # type: ignore[arg-type]  # one of the keys of _KINDS
        created_at=now,
        url=values.get("image_url") or values.get("video_url") or "",
        caption=values.get("caption", ""),
        alt=values.get("alt_text", ""),
        thumb_offset_ms=values.get("thumb_offset", 0),
        cover_url=values.get("cover_url", ""),
        share_to_feed=values.get("share_to_feed", True),
    )
    if kind == "carousel":
        container.children = _children(sandbox, token.account_id, values["children"])
        container.ready_at = now + sandbox.processing_seconds(video=False)
    elif not is_allowed_url(container.url):
        raise errors.fetch_failed(container.url)
    elif kind in ("image", "child_image"):
        await _fetch_image(sandbox, container)
    fault = sandbox.faults.take("container_error", token.account_id)
    if fault:
        container.error_subcode = fault.subcode or rules.VIDEO_REFUSED
        container.ready_at = container.ready_at or now + sandbox.processing_seconds(video=True)
    sandbox.state.containers.put(container)
    if not container.ready_at:
        sandbox.spawn(fetch_video(sandbox, container))
    return ok({"id": container.id})


async def read(call: Call) -> Answer:
    """`GET /{container}`."""
    token = require_token(call)
    container = call.sandbox.state.containers.get(call.node)
    params.read(call.params, {})
    sandbox = call.sandbox
    if container is None or container.account_id != token.account_id:
        raise missing_object(call.node)
    if sandbox.clock.now() - container.created_at < sandbox.knobs.fresh_hidden_seconds:
        raise missing_object(call.node)
    code = status_code(sandbox, container)

    def value(field: Field) -> Any:
        match field.name:
            case "status_code":
                return code
            case "status":
                if code == "ERROR":
                    return f"Error: Media upload has failed with error code {error_subcode(sandbox, container)}"
                return _STATUS_TEXT[code]
            case "video_status":
                done = code not in ("IN_PROGRESS", "ERROR")
                return {
                    "uploading_phase": {"status": "complete" if container.media else "in_progress"},
                    "processing_phase": {
                        "status": "complete" if done else "error" if code == "ERROR" else "in_progress"
                    },
                }
            case "copyright_check_status":
                return {"status": "completed", "matches_found": False}
        return container.id

    wanted = parse(call.params.get("fields") or "id")
    return ok({**render(wanted, "IGContainer", _FIELDS, value), "id": container.id})


def status_code(sandbox: Sandbox, container: Container) -> str:
    """Return IN_PROGRESS, FINISHED, PUBLISHED, ERROR or EXPIRED, worked out from the clock."""
    if container.media_id:
        return "PUBLISHED"
    now = sandbox.clock.now()
    if now - container.created_at > CONTAINER_SECONDS:
        return "EXPIRED"
    children = [sandbox.state.containers.get(child) for child in container.children]
    states = [status_code(sandbox, child) if child else "ERROR" for child in children]
    if not container.ready_at or now < container.ready_at:
        return "IN_PROGRESS"
    if container.error_subcode or "ERROR" in states or "EXPIRED" in states:
        return "ERROR"
    return "IN_PROGRESS" if "IN_PROGRESS" in states else "FINISHED"


def error_subcode(sandbox: Sandbox, container: Container) -> int:
    """Return the subcode of a failed container, or of its first failed child."""
    for child_id in container.children:
        child = sandbox.state.containers.get(child_id)
        if child and child.error_subcode:
            return child.error_subcode
    return container.error_subcode or 2207053


async def fetch_video(sandbox: Sandbox, container: Container) -> None:
    """Download and check the video of a container; also taken up again after a restart."""
    try:
        fetched = await sandbox.library.fetch(
            container.url, user_agent=META_FETCHER, max_bytes=_FETCH_BYTES, follow_redirects=True
        )
    except FetchError:
        container.error_subcode = _DOWNLOAD_FAILED
    else:
        is_video = fetched.content_type.startswith("video/")
        if not is_video:
            container.error_subcode = _DOWNLOAD_FAILED
        elif not fetched.honours_range:
            container.error_subcode = _RANGE_IGNORED
        else:
            container.error_subcode = rules.video_problem(fetched.facts, container.thumb_offset_ms)
        container.media = [fetched.facts.as_item(container.id)]
    container.ready_at = sandbox.clock.now() + sandbox.processing_seconds(video=True)
    sandbox.state.containers.put(container)


async def _fetch_image(sandbox: Sandbox, container: Container) -> None:
    url = container.url
    try:
        fetched = await sandbox.library.fetch(
            url, user_agent=META_FETCHER, max_bytes=_FETCH_BYTES, follow_redirects=True
        )
    except FetchError as error:
        raise errors.fetch_timed_out(url) if error.reason == "timeout" else errors.fetch_failed(url) from error
    rules.check_image(url, fetched.content_type, fetched.facts)
    container.media = [fetched.facts.as_item(container.id, container.alt)]
    container.ready_at = sandbox.clock.now() + sandbox.processing_seconds(video=False)


def _kind(values: dict[str, Any]) -> str:
    media_type = values.get("media_type")
    is_child = params.boolean("is_carousel_item", values.get("is_carousel_item", False))
    if media_type in (None, "IMAGE") and "video_url" in values:
        raise errors.bad_media_type("media_type is required together with video_url")
    match media_type, is_child:
        case None, False:
            return "image"
        case None, True:
            return "child_image"
        case "VIDEO", True:
            return "child_video"
        case "VIDEO", False:
            raise errors.bad_media_type(
                "The VIDEO value for media_type is no longer supported. Use the REELS media type."
            )
        case "REELS", False:
            return "reel"
        case "CAROUSEL", False:
            return "carousel"
    raise errors.bad_media_type(f"Unknown or unsuitable media_type {media_type}")


def _check_values(values: dict[str, Any]) -> None:
    rules.check_caption(values.get("caption", ""))
    rules.check_alt(values.get("alt_text", ""))
    if len(values.get("collaborators", ())) > 3:
        raise bad_parameter("Param collaborators must have at most 3 usernames")
    if "location_id" in values and len(values["location_id"]) < 6:
        raise errors.bad_location()
    if values.get("thumb_offset", 0) < 0:
        raise refuse("The thumb_offset is outside the video.", 1, rules.THUMB_OUTSIDE)
    if "cover_url" in values and not is_allowed_url(values["cover_url"]):
        raise errors.fetch_failed(values["cover_url"])
    strategy = values.get("trial_params", {"graduation_strategy": "MANUAL"})
    if strategy.get("graduation_strategy") not in ("MANUAL", "SS_PERFORMANCE"):
        raise bad_parameter("Param trial_params.graduation_strategy must be one of {MANUAL, SS_PERFORMANCE}")
    for tag in values.get("user_tags", ()):
        if not isinstance(tag, dict) or not isinstance(tag.get("username"), str):
            raise bad_parameter("Param user_tags must be a list of objects with username")
        if "image_url" in values and not all(_is_share(tag.get(axis)) for axis in ("x", "y")):
            raise bad_parameter("Param user_tags needs x and y between 0.0 and 1.0 for images")


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _children(sandbox: Sandbox, account_id: str, value: Any) -> list[str]:
    if isinstance(value, str) and not value.lstrip().startswith("["):
        value = [part.strip() for part in value.split(",") if part.strip()]
    children = [str(child) for child in params.array("children", value)]
    low, high = rules.CAROUSEL_ITEMS
    if not low <= len(children) <= high:
        raise errors.carousel_size()
    for child_id in children:
        child = sandbox.state.containers.get(child_id)
        if child is None or child.account_id != account_id:
            raise errors.unknown_builder()
        if child.kind not in ("child_image", "child_video"):
            raise bad_parameter(f"Container {child_id} is not a carousel item")
        if status_code(sandbox, child) == "EXPIRED":
            raise errors.expired_builder()
    return children
