"""Captions as an item keeps them: one entry per platform, with what in it does not match the product."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.captions.base import Caption, Written
from app.domain.captions import code_points, compose
from app.domain.fact_guard import check
from app.domain.products import ProductFacts

OWN_TEMPLATE = "own_template"
"""Who wrote a caption that comes from a template of the owner's; `template` is the built-in writer."""
Entry = dict[str, Any]
"""`caption, hashtags, call_to_action, character_count, model, is_edited, is_shortened, notes, findings`."""


@dataclass(frozen=True)
class CaptionEdit:
    """What an owner changes by hand; None leaves as it is."""

    caption: str | None = None
    hashtags: tuple[str, ...] | None = None


def plain(platform: str, caption: Caption, model: str) -> Entry:
    """Return a caption as the standalone call and `ai_generated_content` show it."""
    return {
        "caption": caption.caption,
        "hashtags": list(caption.hashtags),
        "platform": platform,
        "call_to_action": caption.call_to_action,
        "character_count": code_points(compose(caption.caption, caption.hashtags)),
        "model": model,
    }


def entries_of(written: Written, facts: ProductFacts) -> dict[str, Entry]:
    """Return what a writer has written, checked against the product in the language it was written in."""
    return {
        platform: _checked(
            {
                **plain(platform, caption, written.model),
                "is_edited": False,
                "is_shortened": caption.is_shortened,
                "notes": list(written.notes),
            },
            platform,
            facts,
            written.language,
        )
        for platform, caption in written.captions.items()
    }


def edited(
    captions: Mapping[str, Entry], edits: Mapping[str, CaptionEdit], facts: ProductFacts, *, language: str
) -> dict[str, Entry]:
    """Return captions with an owner's changes, checked again; platforms without changes stay as they are."""
    result = {platform: dict(entry) for platform, entry in captions.items()}
    for platform, edit in edits.items():
        before = result.get(platform, {})
        caption = edit.caption if edit.caption is not None else before.get("caption", "")
        hashtags = list(edit.hashtags) if edit.hashtags is not None else before.get("hashtags", [])
        if before and (caption, hashtags) == (before["caption"], before["hashtags"]):
            continue
        action = before.get("call_to_action", "")
        entry = {
            "caption": caption,
            "hashtags": hashtags,
            "platform": platform,
            "call_to_action": action if action and action in caption else "",
            "character_count": code_points(compose(caption, hashtags)),
            "model": before.get("model"),
            "is_edited": True,
            "is_shortened": False,
            "notes": [],
        }
        result[platform] = _checked(entry, platform, facts, language)
    return result


def from_template(
    captions: Mapping[str, Entry],
    texts: Mapping[str, str],
    hashtags: Sequence[str],
    facts: ProductFacts,
    *,
    language: str,
) -> dict[str, Entry]:
    """Return captions with some platforms' texts taken from a template of the owner's."""
    result = {platform: dict(entry) for platform, entry in captions.items()}
    for platform, text in texts.items():
        caption = Caption(text, tuple(hashtags), "")
        entry = {**plain(platform, caption, OWN_TEMPLATE), "is_edited": False, "is_shortened": False, "notes": []}
        result[platform] = _checked(entry, platform, facts, language)
    return result


def rechecked(captions: Mapping[str, Entry], facts: ProductFacts, *, language: str) -> dict[str, Entry]:
    """Return captions checked against the product as it is now."""
    return {platform: _checked(dict(entry), platform, facts, language) for platform, entry in captions.items()}


def _checked(entry: Entry, platform: str, facts: ProductFacts, language: str) -> Entry:
    text = compose(entry["caption"], entry["hashtags"])
    entry["findings"] = [
        {
            "id": f"{platform}:{finding.code}:{finding.quote}",
            "code": finding.code,
            "quote": finding.quote,
            "message": finding.message,
        }
        for finding in check(text, facts, language=language)
    ]
    return entry


def unaccepted(
    captions: Mapping[str, Entry], platforms: Collection[str], accepted: Collection[str]
) -> list[dict[str, Any]]:
    """Return the findings about some platforms' captions that the owner has not seen and accepted."""
    return [
        {"platform": platform, **finding}
        for platform in platforms
        for finding in captions.get(platform, {}).get("findings", [])
        if finding["id"] not in accepted
    ]
