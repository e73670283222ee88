"""How letters look: plain words first, the same in simple HTML, and at the end why it came and where to change that."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from app.mail.base import PRODUCT, Letter

LINE_CHARS = 76
INK, SOFT, BUTTON = "#111827", "#5b6472", "#be185d"
"""Dark on white, and the darker step of the brand's pink: hot pink itself is too light behind white letters."""


@dataclass(frozen=True)
class Button:
    """The one thing to do."""

    label: str
    url: str


@dataclass(frozen=True)
class Section:
    """One matter of a letter: what happened, what to do about it, and where."""

    text: Sequence[str]
    title: str = ""
    button: Button | None = None


@dataclass(frozen=True)
class Footer:
    """Why this letter came, and where that is changed (if it can be)."""

    why: str
    change: Button | None = None


def write_letter(*, to: str, subject: str, sections: Sequence[Section], footer: Footer, key: str = "") -> Letter:
    """Return a letter with both versions. Everything is taken as plain text and escaped."""
    return Letter(to=to, subject=subject, text=_text(sections, footer), html=_html(subject, sections, footer), key=key)


def _text(sections: Sequence[Section], footer: Footer) -> str:
    blocks: list[str] = []
    for section in sections:
        if section.title:
            blocks.append(f"{_wrapped(section.title)}\n{'-' * min(len(section.title), LINE_CHARS)}")
        blocks += [_wrapped(paragraph) for paragraph in section.text]
        if section.button is not None:
            blocks.append(f"{section.button.label}:\n{section.button.url}")
    last = [_wrapped(footer.why)]
    if footer.change is not None:
        last.append(f"{footer.change.label}: {footer.change.url}")
    return "\n\n".join([*blocks, "\n".join(["-- ", PRODUCT, *last])]) + "\n"


def _wrapped(paragraph: str) -> str:
    lines = paragraph.splitlines() or [""]
    return "\n".join(textwrap.fill(line, LINE_CHARS, break_long_words=False, break_on_hyphens=False) for line in lines)


def _html(subject: str, sections: Sequence[Section], footer: Footer) -> str:
    body = "".join(_section_html(section) for section in sections)
    change = f' <a href="{escape(footer.change.url)}">{escape(footer.change.label)}</a>' if footer.change else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(subject)}</title>'
        '<meta name="viewport" content="width=device-width"></head>'
        f'<body style="margin:0;background:#fff;color:{INK};font:16px/1.5 system-ui,sans-serif">'
        '<div style="max-width:560px;margin:0 auto;padding:24px 16px">'
        f'<p style="margin:0 0 20px;font-weight:700;color:{BUTTON}">{PRODUCT}</p>{body}'
        f'<p style="margin:28px 0 0;padding-top:14px;border-top:1px solid #e2e5ea;font-size:13px;color:{SOFT}">'
        f"{escape(footer.why)}{change}</p></div></body></html>\n"
    )


def _section_html(section: Section) -> str:
    title = f'<h2 style="margin:24px 0 8px;font-size:18px">{escape(section.title)}</h2>' if section.title else ""
    text = "".join(
        f'<p style="margin:0 0 12px;overflow-wrap:anywhere">{"<br>".join(escape(paragraph).splitlines())}</p>'
        for paragraph in section.text
    )
    button = ""
    if section.button is not None:
        button = (
            f'<p style="margin:16px 0"><a href="{escape(section.button.url)}" style="display:inline-block;'
            f'padding:10px 18px;border-radius:8px;background:{BUTTON};color:#fff;text-decoration:none;font-weight:600">'
            f"{escape(section.button.label)}</a></p>"
        )
    return title + text + button
