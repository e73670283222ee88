"""Direct post of videos and photos, and its status. Source: content-posting-api references (2026-09-11)."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Any
from urllib.parse import urlsplit

from sandbox import ids
from sandbox.core import Sandbox
from sandbox.library import TIKTOK_FETCHER, FetchError
from sandbox.media import Facts, is_allowed_url, is_loopback
from sandbox.records import MediaItem, Persona, Post, Publish
from sandbox.tiktok import rules
from sandbox.tiktok.access import creator, json_body, typed
from sandbox.tiktok.errors import bad_parameter, error_answer, refuse, success
from sandbox.wire import Answer, Call

_FETCH_BYTES = 4_000_000_000
INBOX = "INBOX"
"""Privacy of what only waits in its creator's inbox."""

_VIDEO_INFO: dict[str, type] = {
    "privacy_level": str,
    "title": str,
    "disable_comment": bool,
    "disable_duet": bool,
    "disable_stitch": bool,
    "video_cover_timestamp_ms": int,
    "brand_content_toggle": bool,
    "brand_organic_toggle": bool,
    "is_aigc": bool,
}
_PHOTO_INFO: dict[str, type] = {
    "privacy_level": str,
    "title": str,
    "description": str,
    "disable_comment": bool,
    "auto_add_music": bool,
    "brand_content_toggle": bool,
    "brand_organic_toggle": bool,
}
_FILE_SOURCE: dict[str, type] = {"source": str, "video_size": int, "chunk_size": int, "total_chunk_count": int}


async def creator_info(call: Call) -> Answer:
    """`POST /v2/post/publish/creator_info/query/`: "cannot post now" is an answer with status 200."""
    persona = creator(call, "video.publish")
    typed(json_body(call), "", {})
    block = rules.posting_block(call.sandbox, persona)
    if block:
        return error_answer(block, status=200)
    return success(
        {
            "creator_avatar_url": f"{call.base_url}/avatar/tiktok/{persona.account_id}.svg",
            "creator_username": persona.username,
            "creator_nickname": persona.name,
            "privacy_level_options": rules.privacy_options(persona),
            "comment_disabled": persona.comment_disabled,
            "duet_disabled": persona.duet_disabled or persona.private,
            "stitch_disabled": persona.stitch_disabled or persona.private,
            "max_video_post_duration_sec": persona.max_duration_seconds,
        }
    )


async def video_init(call: Call) -> Answer:
    """`POST /v2/post/publish/video/init/`."""
    persona = creator(call, "video.publish")
    body = typed(json_body(call), "", {"post_info": dict, "source_info": dict}, ("post_info", "source_info"))
    info = typed(body["post_info"], "post_info", _VIDEO_INFO, ("privacy_level", "brand_content_toggle"))
    if rules.units(info.get("title", "")) > rules.VIDEO_TITLE_UNITS:
        raise bad_parameter("post_info.title is too long")
    publish = Publish(
        id=f"v_pub_file~v2-1.{ids.time_ordered()}",
        account_id=persona.account_id,
        kind="video",
        created_at=call.sandbox.clock.now(),
        text=info.get("title", ""),
        privacy=info["privacy_level"],
    )
    publish.choices = {name: value for name, value in info.items() if name not in ("title", "privacy_level")}
    data = _open(call, publish, body["source_info"])
    _check_cover(info)
    _check_creator(call.sandbox, persona, info)
    _begin(call.sandbox, publish)
    return success(data)


async def inbox_init(call: Call) -> Answer:
    """`POST /v2/post/publish/inbox/video/init/`: a draft, which the creator finishes in the app."""
    persona = creator(call, "video.upload")
    body = typed(json_body(call), "", {"source_info": dict}, ("source_info",))
    publish = Publish(
        id=f"v_inbox_file~v2.{ids.time_ordered()}",
        account_id=persona.account_id,
        kind="video",
        created_at=call.sandbox.clock.now(),
        privacy=INBOX,
        to_inbox=True,
    )
    data = _open(call, publish, body["source_info"])
    _check_inbox(call.sandbox, persona)
    _begin(call.sandbox, publish)
    return success(data)


def _open(call: Call, publish: Publish, source: dict[str, Any]) -> dict[str, Any]:
    """Prepare a video's task for its source and return what the creator's app is told."""
    data = {"publish_id": publish.id}
    if source.get("source") == "PULL_FROM_URL":
        url = typed(source, "source_info", {"source": str, "video_url": str}, ("video_url",))["video_url"]
        _check_urls(call.sandbox, [url])
        publish.id = data["publish_id"] = publish.id.replace("_file", "_url")
        publish.urls = [url]
    elif source.get("source") == "FILE_UPLOAD":
        source = typed(source, "source_info", _FILE_SOURCE, tuple(_FILE_SOURCE))
        publish.size, publish.chunk_size = source["video_size"], source["chunk_size"]
        publish.chunk_count = source["total_chunk_count"]
        rules.check_chunks(publish.size, publish.chunk_size, publish.chunk_count)
        publish.upload_id, publish.upload_token = ids.time_ordered(), secrets.token_urlsafe(24)
        query = f"upload_id={publish.upload_id}&upload_token={publish.upload_token}"
        data["upload_url"] = f"{call.base_url}/tiktok/upload/video/?{query}"
    else:
        raise bad_parameter("source_info.source must be FILE_UPLOAD or PULL_FROM_URL")
    return data


async def photo_init(call: Call) -> Answer:
    """`POST /v2/post/publish/content/init/`."""
    persona = creator(call, "video.publish", "video.upload")
    types: dict[str, type] = {
        "media_type": str,
        "post_mode": str,
        "is_aigc": bool,
        "post_info": dict,
        "source_info": dict,
    }
    body = typed(json_body(call), "", types, ("media_type", "post_mode", "post_info", "source_info"))
    to_inbox = body["post_mode"] == "MEDIA_UPLOAD"
    if body["media_type"] != "PHOTO" or body["post_mode"] not in ("DIRECT_POST", "MEDIA_UPLOAD"):
        raise bad_parameter("media_type must be PHOTO and post_mode DIRECT_POST or MEDIA_UPLOAD")
    creator(call, "video.upload" if to_inbox else "video.publish")
    if to_inbox:
        info = typed(body["post_info"], "post_info", {"title": str, "description": str})
    else:
        info = typed(body["post_info"], "post_info", _PHOTO_INFO, ("privacy_level",))
    if rules.units(info.get("title", "")) > rules.PHOTO_TITLE_UNITS:
        raise bad_parameter("post_info.title is too long")
    if rules.units(info.get("description", "")) > rules.PHOTO_DESCRIPTION_UNITS:
        raise bad_parameter("post_info.description is too long")
    fields: dict[str, type] = {"source": str, "photo_cover_index": int, "photo_images": list}
    source = typed(body["source_info"], "source_info", fields, ("source", "photo_images"))
    if source["source"] != "PULL_FROM_URL":
        raise bad_parameter("source_info.source must be PULL_FROM_URL")
    urls = source["photo_images"]
    low, high = rules.PHOTOS
    if not low <= len(urls) <= high or not all(isinstance(url, str) for url in urls):
        raise bad_parameter("source_info.photo_images must be a list of 1 to 35 URLs")
    if not 0 <= source.get("photo_cover_index", 0) < len(urls):
        raise bad_parameter("source_info.photo_cover_index is out of range")
    _check_urls(call.sandbox, urls)
    if to_inbox:
        _check_inbox(call.sandbox, persona)
    else:
        _check_creator(call.sandbox, persona, info)
    choices = {name: value for name, value in info.items() if name not in ("title", "description", "privacy_level")}
    choices |= {"is_aigc": body.get("is_aigc", False), "photo_cover_index": source.get("photo_cover_index", 0)}
    publish = Publish(
        id=f"p_pub_url~v2.{ids.time_ordered()}",
        account_id=persona.account_id,
        kind="photo",
        created_at=call.sandbox.clock.now(),
        text=info.get("description", ""),
        title=info.get("title", ""),
        privacy=INBOX if to_inbox else info["privacy_level"],
        to_inbox=to_inbox,
        choices=choices,
        urls=urls,
    )
    _begin(call.sandbox, publish)
    return success({"publish_id": publish.id})


async def status(call: Call) -> Answer:
    """`POST /v2/post/publish/status/fetch/`."""
    persona = creator(call, "video.publish", "video.upload")
    publish_id = typed(json_body(call), "", {"publish_id": str}, ("publish_id",))["publish_id"]
    publish = call.sandbox.state.publishes.get(publish_id)
    if publish is None:
        raise refuse("invalid_publish_id")
    if publish.account_id != persona.account_id:
        raise refuse("token_not_authorized_for_specified_publish_id")
    now = call.sandbox.clock.now()
    is_done = bool(publish.ready_at) and now >= publish.ready_at
    data: dict[str, Any] = {"publicaly_available_post_id": []}
    if publish.urls:
        data["downloaded_bytes"] = publish.downloaded
    else:
        data["uploaded_bytes"] = publish.received
    if not is_done:
        data["status"] = "PROCESSING_DOWNLOAD" if publish.urls else "PROCESSING_UPLOAD"
    elif publish.fail_reason:
        data |= {"status": "FAILED", "fail_reason": publish.fail_reason}
    elif publish.to_inbox:
        data["status"] = "SEND_TO_USER_INBOX"
    else:
        data["status"] = "PUBLISH_COMPLETE"
        is_moderated = now >= publish.ready_at + call.sandbox.knobs.tiktok_moderation_seconds
        if is_moderated and publish.privacy == "PUBLIC_TO_EVERYONE":
            # A number above 2^53, as the platform sends it.
            data["publicaly_available_post_id"] = [int(publish.post_id)]
    return success(data)


async def pull_media(sandbox: Sandbox, publish: Publish) -> None:
    """Download what was given by URL and post it; also taken up again after a restart."""
    persona = sandbox.state.persona("tiktok", publish.account_id)
    if persona is None:
        return
    items: list[MediaItem] = []
    problem = ""
    for url in publish.urls:
        try:
            fetched = await sandbox.library.fetch(
                url, user_agent=TIKTOK_FETCHER, max_bytes=_FETCH_BYTES, follow_redirects=False
            )
        except FetchError:
            problem = "video_pull_failed" if publish.kind == "video" else "photo_pull_failed"
            break
        facts = fetched.facts
        publish.downloaded += facts.size
        problem = _video_problem(publish, facts, persona) if publish.kind == "video" else rules.photo_problem(facts)
        if problem:
            break
        items.append(facts.as_item(ids.time_ordered()))
    complete(sandbox, persona, publish, items, problem)


def complete_upload(sandbox: Sandbox, publish: Publish, facts: Facts) -> None:
    """Post an uploaded video: posting starts with the last byte."""
    persona = sandbox.state.persona("tiktok", publish.account_id)
    if persona is not None:
        item = facts.as_item(ids.time_ordered())
        complete(sandbox, persona, publish, [item], _video_problem(publish, facts, persona))


def _video_problem(publish: Publish, facts: Facts, persona: Persona) -> str:
    longest = rules.INBOX_SECONDS if publish.to_inbox else persona.max_duration_seconds
    return rules.video_problem(facts, persona, longest=longest)


def complete(sandbox: Sandbox, persona: Persona, publish: Publish, items: list[MediaItem], problem: str) -> None:
    """Decide the outcome of a posting task; it shows once processing is over."""
    if publish.ready_at:
        return
    fault = sandbox.faults.take("publish_failed", persona.account_id)
    publish.fail_reason = (fault.fail_reason or "internal") if fault else problem
    publish.media = items
    publish.ready_at = sandbox.clock.now() + sandbox.processing_seconds(video=publish.kind == "video")
    if not publish.fail_reason:
        publish.post_id = ids.time_ordered()
        hidden_seconds = max(sandbox.knobs.tiktok_moderation_seconds, sandbox.knobs.visibility_seconds)
        sandbox.state.add_post(
            Post(
                platform="tiktok",
                account_id=persona.account_id,
                id=publish.post_id,
                kind=publish.kind,
                text=publish.text,
                title=publish.title,
                shortcode=publish.post_id,
                published_at=publish.ready_at,
                listed_at=publish.ready_at + hidden_seconds,
                source_id=publish.id,
                privacy=publish.privacy,
                choices=publish.choices,
                media=items,
            )
        )
    sandbox.state.publishes.put(publish)


def _begin(sandbox: Sandbox, publish: Publish) -> None:
    sandbox.state.publishes.put(publish)
    if publish.upload_id:
        sandbox.state.by_upload[publish.upload_id] = publish
    else:
        sandbox.spawn(pull_media(sandbox, publish))


def _check_creator(sandbox: Sandbox, persona: Persona, info: dict[str, Any]) -> None:
    block = rules.posting_block(sandbox, persona)
    if block:
        raise refuse(block)
    if sandbox.knobs.unaudited_tiktok and not (persona.private and info["privacy_level"] == "SELF_ONLY"):
        raise refuse("unaudited_client_can_only_post_to_private_accounts")
    if info["privacy_level"] not in rules.privacy_options(persona):
        raise refuse("privacy_level_option_mismatch")
    if info.get("brand_content_toggle") and info["privacy_level"] == "SELF_ONLY":
        # The guidelines forbid the pair; the error code is not documented.
        raise bad_parameter("Branded content visibility cannot be set to private")


def _check_inbox(sandbox: Sandbox, persona: Persona) -> None:
    block = rules.inbox_block(sandbox, persona)
    if block:
        raise refuse(block)


def _check_cover(info: dict[str, Any]) -> None:
    if info.get("video_cover_timestamp_ms", 0) < 0:
        raise bad_parameter("post_info.video_cover_timestamp_ms is negative")


def _check_urls(sandbox: Sandbox, urls: list[str]) -> None:
    prefixes = sandbox.knobs.tiktok_verified_prefixes
    for url in urls:
        host = urlsplit(url).hostname or ""
        if not is_allowed_url(url) or (_is_ip(host) and not is_loopback(host)):
            raise bad_parameter("A media URL must be https with a domain name")
        if prefixes and not any(url.startswith(prefix) for prefix in prefixes):
            raise refuse("url_ownership_unverified", "Please review our URL ownership verification rules.")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
