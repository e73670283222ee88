"""Writes the sample catalogue: `samples/products-1000.csv`, and a picture for each of its categories.

The same words and the same seed give the same file; `--check` says whether the committed one is that.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import re
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from deploy.sample_words import CATEGORIES, Category, Kind

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "samples" / "products-1000.csv"
PICTURES = ROOT / "backend" / "app" / "assets" / "samples"
ROWS = 1_000
SEED = 20261124
MEDIA_BASE = "http://localhost:8106"
SIZE_PX = 1080
HEADERS = (
    "id", "title", "description", "price", "compare_at_price", "currency", "brand", "category", "tags", "stock",
    "image_url", "url",
)  # fmt: skip
CURRENCIES = ("EUR",) * 8 + ("USD", "GBP")
ENDINGS = ("00", "50", "90", "95")


def catalogue(media_base: str = MEDIA_BASE) -> list[dict[str, str]]:
    """Return the rows: every one another product, in an order as a shop would have it."""
    chance = random.Random(SEED)  # noqa: S311 - the same words each time are the point
    wanted = [
        (category, kind, look, form)
        for category in CATEGORIES
        for kind in category.kinds
        for look in (kind.looks or category.looks)
        for form in kind.forms
    ]
    chance.shuffle(wanted)
    rows = []
    for number, (category, kind, look, form) in enumerate(wanted[:ROWS], start=1):
        rows.append(_row(number, category, kind, look, form, chance, media_base))
    return rows


def _row(
    number: int, category: Category, kind: Kind, look: str, form: str, chance: random.Random, media_base: str
) -> dict[str, str]:
    title = f"{look} {kind.name}, {form}"
    price = _price(kind, form, chance)
    about = chance.choice(kind.about).format(look=look if category.is_named else look.lower())
    sentences = [about[0].upper() + about[1:], chance.choice(kind.use)]
    if chance.random() < 0.55:
        sentences.append(chance.choice(category.care))
    elif chance.random() < 0.25:
        sentences.pop()
    before = f"{float(price) * chance.choice((1.15, 1.2, 1.25, 1.3)):.0f}.00" if chance.random() < 0.2 else ""
    stock = 0 if chance.random() < 0.07 else chance.choice((1, 2, 3, 5, 8, 12, 20, 35, 60))
    slug = re.sub(r"[^a-z0-9]+", "-", _ascii(title)).strip("-")
    return {
        "id": f"{category.name[:3].upper()}-{number:04}",
        "title": title,
        "description": " ".join(sentences),
        "price": price,
        "compare_at_price": before if before and float(before) > float(price) else "",
        "currency": chance.choice(CURRENCIES),
        "brand": chance.choice(category.brands),
        "category": category.name,
        "tags": ", ".join(kind.tags),
        "stock": str(stock),
        "image_url": f"{media_base}/media/samples/{category.picture}",
        "url": f"https://shop.example/products/{slug}",
    }


def _price(kind: Kind, form: str, chance: random.Random) -> str:
    """Return a price that grows with the form: the large one of two costs more."""
    low, high = kind.price
    step = (high - low) / len(kind.forms)
    at = low + step * kind.forms.index(form)
    whole = chance.randint(round(at), max(round(at), round(at + step) - 1))
    return f"{whole}.{'00' if whole >= 200 else chance.choice(ENDINGS)}"


def _ascii(text: str) -> str:
    table = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ú": "u", "é": "e"})
    return text.lower().translate(table)


def written(rows: list[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, HEADERS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def draw(category: Category) -> Image.Image:
    """Return a plain card with the category's name: it stands for a photograph that every shop has of its own."""
    image = Image.new("RGB", (SIZE_PX, SIZE_PX), category.color)
    pen = ImageDraw.Draw(image, "RGBA")
    for index, radius in enumerate((460, 340, 220)):
        center = SIZE_PX / 2 + (index - 1) * 60
        pen.ellipse((center - radius, 540 - radius, center + radius, 540 + radius), fill=(255, 255, 255, 26))
    font = ImageFont.load_default(size=120)
    pen.text((SIZE_PX / 2, SIZE_PX / 2), category.name, fill="white", font=font, anchor="mm")
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the sample catalogue.")
    parser.add_argument("--check", action="store_true", help="only say whether the committed file is the same")
    parser.add_argument("--media-base", default=MEDIA_BASE, help="where this installation serves its files")
    parser.add_argument("--to", type=Path, default=FILE)
    chosen = parser.parse_args()
    text = written(catalogue(chosen.media_base))
    if chosen.check:
        same = FILE.read_text(encoding="utf-8") == text
        print("The sample catalogue is current." if same else "samples/products-1000.csv differs; run deploy.samples.")
        sys.exit(0 if same else 1)
    chosen.to.parent.mkdir(parents=True, exist_ok=True)
    chosen.to.write_text(text, encoding="utf-8")
    for category in CATEGORIES:
        path = PICTURES / category.picture
        if not path.exists():
            draw(category).save(path, quality=85)
    print(f"{chosen.to.name}: {text.count(chr(10)) - 1} products")


if __name__ == "__main__":
    main()
