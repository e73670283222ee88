"""Containers: creating, fetching the media, status. Source: Content Publishing; IG User Media; IG Container."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.core import Sandbox
from sandbox.instagram import errors, rules
from sandbox.instagram.access import BASIC, PUBLISH, account_of, persona_of
from sandbox.library import META_FETCHER, FetchError
from sandbox.media import Facts, is_allowed_url
from sandbox.meta import params
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
_UPLOAD: dict[str, params.Check] = {"video_url": params.text, "upload_type": params.choice("resumable")}
_KINDS: dict[str, dict[str, params.Check]] = {
    "image": {**_COMMON, "image_url": params.text, "alt_text": params.text, "user_tags": params.array},
    "reel": {
        **_COMMON,
        **_UPLOAD,
        "media_type": params.choice("REELS"),
        "share_to_feed": params.boolean,
        "cover_url": params.text,
        "thumb_offset": params.number,
        "audio_name": params.text,
        "user_tags": params.array,
        "trial_params": params.mapping,
    },
    "story_image": {
        "media_type": params.choice("STORIES"),
        "image_url": params.text,
        "user_tags": params.array,
    },
    "story_video": {**_UPLOAD, "media_type": params.choice("STORIES"), "user_tags": params.array},
    "child_image": {
        "is_carousel_item": params.boolean,
        "image_url": params.text,
        "alt_text": params.text,
        "user_tags": params.array,
    },
    "child_video": {
        **_UPLOAD,
        "is_carousel_item": params.boolean,
        "media_type": params.choice("VIDEO"),
        "user_tags": params.array,
        "thumb_offset": params.number,
    },
    "carousel": {**_COMMON, "media_type": params.choice("CAROUSEL"), "children": lambda _, value: value},
}
_REQUIRED = {
    "image": ("image_url",),
    "story_image": ("image_url",),
    "child_image": ("image_url",),
    "carousel": ("children",),
}
VIDEOS = frozenset({"reel", "story_video", "child_video"})
_NO_CHOICES = frozenset(
    {
        "alt_text",
        "caption",
        "children",
        "image_url",
        "is_carousel_item",
        "media_type",
        "upload_type",
        "video_url",
    }
)
"""Parameters that are what is posted, not a choice about it."""


async def create(call: Call) -> Answer:
    """`POST /{ig}/media`."""
    account_id = account_of(call, BASIC, PUBLISH)
    kind = _kind(call.params)
    values = params.read(call.params, _KINDS[kind], _REQUIRED.get(kind, ()))
    sandbox = call.sandbox
    _check_values(sandbox, account_id, kind, values)
    now = sandbox.clock.now()
    limit = CONTAINERS_PER_DAY if sandbox.knobs.enforce_rate_limits else 10**9
    if not sandbox.windows.admit(f"containers:{account_id}", now, 86_400, limit):
        raise refuse("Application request limit reached", 4)
    container = Container(
        id=ids.digits("178", 17),
        account_id=account_id,
        kind=kind,  # type: ignore[arg-type]  # one of the keys of _KINDS
        created_at=now,
        url=values.get("image_url") or values.get("video_url") or "",
        caption=values.get("caption", ""),
        alt=values.get("alt_text", ""),
        thumb_offset_ms=values.get("thumb_offset", 0),
        cover_url=values.get("cover_url", ""),
        share_to_feed=values.get("share_to_feed", True),
        choices={name: value for name, value in values.items() if name not in _NO_CHOICES},
        is_upload="upload_type" in values,
    )
    if container.is_upload and call.token is not None and call.token.platform == "instagram":
        raise bad_parameter("The parameter video_url is required")  # one field report; the way in is Facebook Login
    if container.cover_url:
        await _check_cover(sandbox, container.cover_url)
    if kind == "carousel":
        container.children = _children(sandbox, account_id, values["children"])
        container.ready_at = now + sandbox.processing_seconds(video=False)
    elif container.is_upload:
        pass
    elif not is_allowed_url(container.url):
        raise errors.fetch_failed(container.url)
    elif kind not in VIDEOS:
        await _fetch_image(sandbox, container)
    fault = sandbox.faults.take("container_error", account_id)
    if fault:
        container.error_subcode = fault.subcode or rules.VIDEO_REFUSED
        container.ready_at = container.ready_at or now + sandbox.processing_seconds(video=True)
    sandbox.state.containers.put(container)
    if container.is_upload:
        uri = f"{call.base_url}/facebook/upload/ig-api-upload/{call.version}/{container.id}"
        return ok({"id": container.id, "uri": uri})
    if not container.ready_at:
        sandbox.spawn(fetch_video(sandbox, container))
    return ok({"id": container.id})


async def read(call: Call) -> Answer:
    """`GET /{container}`."""
    account_id = account_of(call)
    container = call.sandbox.state.containers.get(call.node)
    params.read(call.params, {})
    sandbox = call.sandbox
    if container is None or container.account_id != account_id:
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
                    "uploading_phase": {
                        "status": "complete" if container.media else "in_progress",
                        "bytes_transferred": container.received,
                    },
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
            container.error_subcode = rules.video_problem(container.kind, fetched.facts, container.thumb_offset_ms)
        container.media = [fetched.facts.as_item(container.id)]
    container.ready_at = sandbox.clock.now() + sandbox.processing_seconds(video=True)
    sandbox.state.containers.put(container)


def take_upload(sandbox: Sandbox, container: Container, facts: Facts) -> None:
    """Look at a video whose bytes have all arrived, and begin to process it."""
    subcode = rules.video_problem(container.kind, facts, container.thumb_offset_ms)
    container.error_subcode = container.error_subcode or subcode
    container.media = [facts.as_item(container.id)]
    container.ready_at = sandbox.clock.now() + sandbox.processing_seconds(video=True)


async def _check_cover(sandbox: Sandbox, url: str) -> None:
    """Fetch a cover: a JPEG of at most 8 MB."""
    if not is_allowed_url(url):
        raise errors.fetch_failed(url)
    try:
        fetched = await sandbox.library.fetch(
            url, user_agent=META_FETCHER, max_bytes=_FETCH_BYTES, follow_redirects=True
        )
    except FetchError as error:
        raise errors.fetch_failed(url) from error
    rules.check_jpeg(url, fetched.content_type, fetched.facts)


async def _fetch_image(sandbox: Sandbox, container: Container) -> None:
    url = container.url
    try:
        fetched = await sandbox.library.fetch(
            url, user_agent=META_FETCHER, max_bytes=_FETCH_BYTES, follow_redirects=True
        )
    except FetchError as error:
        raise errors.fetch_timed_out(url) if error.reason == "timeout" else errors.fetch_failed(url) from error
    rules.check_jpeg(url, fetched.content_type, fetched.facts)
    if container.kind != "story_image":
        rules.check_ratio(fetched.facts)
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
        case "STORIES", False:
            return "story_image" if "image_url" in values else "story_video"
        case "CAROUSEL", False:
            return "carousel"
    raise errors.bad_media_type(f"Unknown or unsuitable media_type {media_type}")


def _check_values(sandbox: Sandbox, account_id: str, kind: str, values: dict[str, Any]) -> None:
    rules.check_caption(values.get("caption", ""))
    rules.check_alt(values.get("alt_text", ""))
    if kind in VIDEOS and ("video_url" in values) == ("upload_type" in values):
        raise bad_parameter("The parameter video_url is required")
    names = values.get("collaborators", ())
    if len(names) > 3 or not all(isinstance(name, str) and name for name in names):
        raise bad_parameter("Param collaborators must have at most 3 usernames")
    if "location_id" in values and len(values["location_id"]) < 6:
        raise errors.bad_location()
    if values.get("thumb_offset", 0) < 0:
        raise refuse("The thumb_offset is outside the video.", 1, rules.THUMB_OUTSIDE)
    if "trial_params" in values:
        strategy = values["trial_params"].get("graduation_strategy")
        if strategy not in ("MANUAL", "SS_PERFORMANCE") or len(values["trial_params"]) != 1:
            raise bad_parameter("Param trial_params.graduation_strategy must be one of {MANUAL, SS_PERFORMANCE}")
        if not persona_of(sandbox, account_id).trial_reels:
            raise errors.no_trial()
    if len(values.get("user_tags", ())) > 20:
        raise errors.too_many_tags()
    for tag in values.get("user_tags", ()):
        _check_tag(sandbox, kind, tag)


def _check_tag(sandbox: Sandbox, kind: str, tag: Any) -> None:
    if not isinstance(tag, dict) or not isinstance(tag.get("username"), str) or tag.keys() - {"username", "x", "y"}:
        raise bad_parameter("Param user_tags must be a list of objects with username")
    if any(
        persona.private and persona.username == tag["username"]
        for persona in sandbox.state.personas
        if persona.platform == "instagram"
    ):
        raise bad_parameter("Param user_tags: only public accounts can be tagged")
    place = [tag[axis] for axis in ("x", "y") if axis in tag]
    if kind in ("reel", "child_video") and place:
        raise bad_parameter("Param user_tags takes no x and y for videos")
    if kind in ("image", "child_image") and len(place) != 2:
        raise bad_parameter("Param user_tags needs x and y between 0.0 and 1.0 for images")
    if len(place) == 1 or not all(_is_share(value) for value in place):
        raise bad_parameter("Param user_tags needs x and y between 0.0 and 1.0")


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
