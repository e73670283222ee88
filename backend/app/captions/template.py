"""The built-in writer: captions out of the product's own words, without a key and without inventing anything.

It works from sentences of the description, from features, details, price and offers as the product record has them,
and from phrases that claim nothing. What it cannot do it says in `Written.notes`: it follows no instructions, does not
translate, and makes no sentences around words the shop likes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, Sequence

from app.captions.base import Brief, Caption, Ledger, Room, Written
from app.captions.fit import fit, hashtags_for
from app.captions.own_words import DETAILS, details, features, hashtag_words, sentences
from app.captions.phrases import LANGUAGES, Phrases, emoji, phrases_of
from app.domain.brand_voice import Emoji
from app.domain.money import format_price
from app.domain.products import ProductFacts

MODEL = "template"
VERSION = "template-1"
TRIES = 12
"""How many varieties are tried for a caption other than the previous one."""
SHORT_WORD = 4
"""So long a word is looked for by itself only."""
TONE_OF_OTHERS = "engaging"
CALM_TONES = ("professional", "elegant", "informative")
_EMOJI = re.compile("[\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\U0001f000-\U0001faff]+ ?")


class _Dice:
    """Chooses the same from the same: by product, platform and variety, not by chance."""

    def __init__(self, *seed: object) -> None:
        self._seed = "\x1f".join(map(str, seed))
        self._throws = 0

    def number(self, below: int) -> int:
        self._throws += 1
        digest = hashlib.sha256(f"{self._seed}\x1f{self._throws}".encode()).digest()
        return int.from_bytes(digest[:8]) % below

    def pick(self, options: Sequence[str]) -> str:
        return options[self.number(len(options))]


class TemplateWriter:
    """Needs no provider and costs nothing."""

    model = MODEL
    looks_at_photos = False

    async def write(self, brief: Brief, ledger: Ledger) -> Written:
        """Write for all platforms. The books stay as they are: nothing is called."""
        del ledger
        return written_for(brief)

    async def stream(self, brief: Brief, ledger: Ledger) -> AsyncGenerator[str | Written]:
        """Give each caption as a piece, and all of them last."""
        del ledger
        written = written_for(brief)
        for caption in written.captions.values():
            yield caption.caption + "\n\n"
        yield written

    async def aclose(self) -> None:
        """Nothing is open."""


def written_for(brief: Brief) -> Written:
    """Return what the built-in writer makes of a brief: the same for the same brief."""
    phrases = phrases_of(brief.voice.language)
    captions = {room.platform: _other_than_before(brief, room, phrases) for room in brief.rooms}
    return Written(
        captions=captions,
        model=MODEL,
        prompt_version=VERSION,
        inputs_hash=hashlib.sha256(repr((VERSION, brief)).encode()).hexdigest(),
        language=phrases.language,
        notes=tuple(_notes(brief, captions)),
    )


def _notes(brief: Brief, captions: dict[str, Caption]) -> list[str]:
    notes = []
    if brief.instruction:
        notes.append("The built-in writer cannot follow instructions. Edit the caption by hand.")
    if brief.voice.language.replace("_", "-").partition("-")[0].lower() not in LANGUAGES:
        notes.append(f"The built-in writer does not know the language “{brief.voice.language}”: it wrote in English.")
    texts = " ".join(caption.caption for caption in captions.values()).casefold()
    missing = [word for word in brief.voice.words_to_use if word.casefold() not in texts]
    if missing:
        notes.append(f"The built-in writer could not work in: {', '.join(missing)}.")
    return notes


def _other_than_before(brief: Brief, room: Room, phrases: Phrases) -> Caption:
    before = brief.previous.get(room.platform, "").strip()
    made = _Composer(brief, room, phrases, brief.variety).caption()
    for step in range(1, TRIES):
        if made.caption != before:
            break
        made = _Composer(brief, room, phrases, brief.variety + step * 101).caption()
    return made


class _Composer:
    """Makes one caption for one platform."""

    def __init__(self, brief: Brief, room: Room, phrases: Phrases, variety: int) -> None:
        self.facts: ProductFacts = brief.facts
        self.voice = brief.voice
        self.room = room
        self.phrases = phrases
        tone = (brief.tone or brief.voice.tone).casefold()
        self.tone = tone if tone in phrases.openers else TONE_OF_OTHERS
        self.dice = _Dice(self.facts.title, self.facts.url, self.facts.price_minor, room.platform, self.tone, variety)
        self.body = [text for text in map(self._dressed, sentences(self.facts)) if self._may_say(text)]

    def caption(self) -> Caption:
        if self.room.platform == "tiktok":
            blocks = self._short()
        elif self.room.platform == "facebook":
            blocks = self._with_link()
        else:
            blocks = self._long()
        ask = self._ask()
        text = "\n\n".join(block for block in (*blocks, ask) if block)
        text = self._decorated(text)
        tags = hashtags_for(self._tags(), self.voice, self.room)
        return fit(Caption(caption=text, hashtags=tags, call_to_action=ask), self.room)

    # Shapes

    def _long(self) -> list[str]:
        """Instagram and the like: a first line that carries, a paragraph, features or details, the price."""
        said = self._say(limit=420, count=3)
        points = self._points(4)
        shapes: list[list[str]] = [[self._opener(), said, points, self._price()]]
        if self.body:
            hook, rest = self.body[0], self._say(limit=320, count=2, skip=1)
            shapes.append([hook, rest, points, self._named_price()])
            shapes.append([self._named_price(), said, points])
            shapes.append([hook, points, rest, self._named_price()])
        else:
            shapes.append([self._named_price(), points])
        return self._offers(shapes[self.dice.number(len(shapes))])

    def _with_link(self) -> list[str]:
        """Facebook: full sentences in one paragraph, then price and a link that can be tapped."""
        said = self._say(limit=520, count=4)
        shapes = [[f"{self._opener()} {said}".strip(), self._points(3), self._price()]]
        if said:
            shapes.append([said, self._points(3), self._named_price()])
        blocks = self._offers(shapes[self.dice.number(len(shapes))])
        url = self.facts.url
        if url and self.facts.is_available is not False:
            blocks.append(self.dice.pick(self.phrases.link).format(url=url))
        return blocks

    def _short(self) -> list[str]:
        """TikTok: one thought, then the name and the price."""
        said = self._say(limit=130, count=1)
        shapes = [[self._opener(), said, self._price()], [said, self._named_price()]]
        blocks = shapes[self.dice.number(len(shapes))]
        return [" ".join(block for block in blocks if block)]

    # Parts

    def _opener(self) -> str:
        options = [text for text in self.phrases.openers[self.tone] if self._may_say(text)] or ["{title}."]
        text = self.dice.pick(options).format(title=self.facts.title)
        return re.sub(r"([.!?…])\s?\.$", r"\1", text)  # a title may end a sentence by itself

    def _say(self, *, limit: int, count: int, skip: int = 0) -> str:
        """Return sentences of the description: the first ones, as many as there is room for."""
        chosen: list[str] = []
        for text in self.body[skip:]:
            if len(chosen) == count or sum(map(len, chosen)) + len(text) > limit:
                break
            chosen.append(text)
        return " ".join(chosen)

    def _points(self, count: int) -> str:
        """Return features, or details the product data name, one to a line."""
        listed = [text for text in map(self._dressed, features(self.facts)) if self._may_say(text)][:count]
        named = details(self.facts)
        listed += [f"{self.phrases.labels[label]}: {named[label]}" for label in DETAILS if label in named]
        mark = self.dice.pick(["• ", "– ", "· "])
        points = [text for text in dict.fromkeys(listed) if self._may_say(text)][:count]
        return "\n".join(f"{mark}{text}" if len(points) > 1 else text for text in points)

    def _amount(self) -> str:
        facts = self.facts
        if facts.price_minor is None or facts.currency is None or facts.is_available is False:
            return ""
        return format_price(facts.price_minor, facts.currency, self.voice.language, short=True)

    def _price(self) -> str:
        facts, amount = self.facts, self._amount()
        if facts.is_available is False:
            return self.dice.pick(self.phrases.sold_out)
        if not amount:
            return ""
        if facts.compare_at_price_minor is None:
            return self.dice.pick(self.phrases.price).format(price=amount)
        before = format_price(facts.compare_at_price_minor, facts.currency, self.voice.language, short=True)
        return self.dice.pick(self.phrases.reduced).format(price=amount, before=before)

    def _named_price(self) -> str:
        """Return the product's name with its price."""
        facts, amount = self.facts, self._amount()
        if not amount or facts.compare_at_price_minor is not None:
            return " ".join(part for part in (_ended(facts.title), self._price()) if part)
        return self.dice.pick(
            ["{title}, {price}", "{title} – {price}", "{title} · {price}", "{title}: {price}"]
        ).format(title=facts.title.rstrip(" .:"), price=amount)

    def _offers(self, blocks: list[str]) -> list[str]:
        """Add what the shop promises, in its own words."""
        offers = [self.facts.discount or ""] if self.facts.is_available is not False else []
        if self.facts.shipping and self.facts.is_available is not False:
            offers.append(f"{self.phrases.labels['shipping']}: {self.facts.shipping}")
        return [*blocks, "\n".join(offer for offer in offers if offer and self._may_say(offer))]

    def _ask(self) -> str:
        """Return the closing line: where to find it, or a question."""
        if self.facts.is_available is False:
            options = list(self.phrases.asks["friendly"][:2])
        elif self.voice.shop_name and self.dice.number(2):
            options = [text.format(shop=self.voice.shop_name) for text in self.phrases.find_at]
        elif self.room.platform == "facebook" and self.facts.url:
            options = list(self.phrases.asks[self.tone])
        else:
            options = [*self.phrases.asks[self.tone], *self.phrases.find]
        usable = [text for text in options if self._may_say(text)]
        return self.dice.pick(usable) if usable else ""

    def _tags(self) -> list[str]:
        avoided = [word.casefold().replace(" ", "") for word in self.voice.words_to_avoid]
        found = hashtag_words(self.facts, self.phrases.stop_words)
        return [tag for tag in found if not any(word and word in tag for word in avoided)]

    # Voice

    def _dressed(self, text: str) -> str:
        """Return a shop's sentence without its own emoji: how many there are is the voice's matter."""
        return re.sub(r" +([.,!?])", r"\1", _EMOJI.sub("", text)).strip()

    def _may_say(self, text: str) -> bool:
        words = (re.escape(word) for word in self.voice.words_to_avoid if word)
        return bool(text) and not any(re.search(rf"(?i)(?<!\w){word}(?!\w)", text) for word in words)

    def _decorated(self, text: str) -> str:
        """Put in as many emoji as the voice wants: at the end of the first line, then of the last ones."""
        if self.voice.emoji is Emoji.none:
            return text
        neutral, by_word = emoji()
        about = " ".join((self.facts.title, self.facts.category or "", *self.facts.tags)).casefold()
        fitting = [sign for sign, words in by_word.items() if any(_is_about(word, about) for word in words)]
        if self.voice.emoji is Emoji.few:
            return _at_line_end(text, 0, [*fitting, self.dice.pick(neutral)][0]) if self._is_lively(fitting) else text
        signs = list(dict.fromkeys([*fitting[:2], *neutral]))[:3]
        for index, sign in zip((0, -1, 1), signs, strict=True):
            text = _at_line_end(text, index, sign)
        return text

    def _is_lively(self, fitting: list[str]) -> bool:
        """Whether few emoji are one or none: calm tones and products without a fitting one often do without."""
        return bool(fitting and self.tone not in CALM_TONES) or self.dice.number(3) == 0


def _is_about(word: str, text: str) -> bool:
    """Whether a word is in a text: a long one also as the beginning of another, a short one only by itself or in the
    plural, as "art" is not in "article"."""
    stem = word.strip()
    ending = r"\w*" if len(stem) > SHORT_WORD else "" if word.endswith(" ") else r"(?:e?s|e?n|e)?\b"
    return re.search(rf"\b{re.escape(stem)}{ending}(?!\w)", text) is not None


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _at_line_end(text: str, index: int, sign: str) -> str:
    """Add a sign to a paragraph; not behind a link, which it would become part of."""
    blocks = text.split("\n\n")
    position = index if -len(blocks) <= index < len(blocks) else 0
    if "://" not in blocks[position] and not blocks[position].endswith(sign):
        blocks[position] += f" {sign}"
    return "\n\n".join(blocks)
