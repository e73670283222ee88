"""Stories of a Page: pictures uploaded before, and videos in three calls. Source: Page Stories API."""

from __future__ import annotations

from typing import Any

from sandbox.facebook.access import page_of, publishing_page
from sandbox.facebook.posts import PHOTO_ALREADY_POSTED, is_gone, new_post
from sandbox.facebook.videos import open_upload, publish
from sandbox.meta import params
from sandbox.meta.errors import bad_parameter, missing_object, refuse
from sandbox.meta.paging import page
from sandbox.records import Post
from sandbox.wire import Answer, Call, ok

STORY_SECONDS = 86_400
"""How long a story shows: 24 hours."""
KINDS = ("photo_story", "video_story")


async def photo(call: Call) -> Answer:
    """`POST /{page}/photo_stories` with a fresh photo that was never used in a post."""
    owner = publishing_page(call)
    photo_id = params.read(call.params, {"photo_id": params.object_id}, ("photo_id",))["photo_id"]
    sandbox = call.sandbox
    staged = sandbox.state.photos.get(photo_id)
    if staged is None or staged.account_id != owner.account_id or is_gone(sandbox, staged):
        raise missing_object(photo_id)
    if staged.post_id:
        raise refuse("Photos were already posted.", 100, PHOTO_ALREADY_POSTED, title="Already Posted")
    post = new_post(sandbox, owner, "photo_story", "", [staged.media])
    post.source_id = staged.id
    sandbox.state.add_post(post)
    staged.post_id = post.id
    sandbox.state.photos.put(staged)
    return ok({"success": True, "post_id": post.id.partition("_")[2]})


async def video_start(call: Call) -> Answer:
    """`POST /{page}/video_stories` with `upload_phase=start`."""
    return open_upload(call, "video_story")


async def video_finish(call: Call) -> Answer:
    """`upload_phase=finish`: shown once processing is over."""
    owner = publishing_page(call)
    checks: dict[str, params.Check] = {"upload_phase": params.text, "video_id": params.object_id}
    values = params.read(call.params, checks, ("video_id",))
    video = call.sandbox.state.videos.get(values["video_id"])
    if video is None or video.account_id != owner.account_id or video.kind != "video_story":
        raise missing_object(values["video_id"])
    publish(call.sandbox, owner, video, "", "")
    answer: dict[str, Any] = {"success": True}
    if video.post_id:
        answer["post_id"] = int(video.post_id.partition("_")[2])  # a number here, a text for photos
    return ok(answer)


async def listed(call: Call) -> Answer:
    """`GET /{page}/stories`: what shows now, newest first."""
    owner = page_of(call)
    values = params.read(call.params, {**params.PAGING, "status": params.choice("PUBLISHED", "ARCHIVED")})
    if not 0 < values.get("limit", 25) <= 100:
        raise bad_parameter("Param limit must be between 1 and 100")
    now = call.sandbox.clock.now()
    wanted_age = values.get("status", "PUBLISHED") == "PUBLISHED"
    stories = [
        post
        for post in reversed(call.sandbox.state.timeline("facebook", owner.account_id))
        if post.kind in KINDS and post.listed_at <= now and (now - post.published_at <= STORY_SECONDS) == wanted_age
    ]

    def show(post: Post) -> dict[str, Any]:
        return {
            "post_id": post.id.partition("_")[2],
            "status": "PUBLISHED" if wanted_age else "ARCHIVED",
            "creation_time": str(int(post.published_at)),
            "media_type": "video" if post.kind == "video_story" else "photo",
            "media_id": post.source_id,
            "url": f"{call.base_url}/p/{post.shortcode}",
        }

    return ok(page(call, stories, key=lambda post: post.id, show=show))
