"""The sample catalogue that is shipped."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlsplit

from app.storage.own import SAMPLES_PATH, OwnFiles
from app.stores.csv_file import read_table
from deploy.samples import FILE, catalogue, written


def test_the_committed_file_is_what_the_words_make() -> None:
    assert FILE.read_text(encoding="utf-8") == written(catalogue())


def test_every_row_is_a_product_of_its_own_with_a_picture_that_exists() -> None:
    table = read_table(FILE.read_bytes())
    assert (len(table.products), table.problems) == (1_000, ())
    assert len({product.title for product in table.products}) == 1_000
    for product in table.products:
        (address,) = product.image_urls
        assert OwnFiles.sample(urlsplit(address).path.removeprefix(SAMPLES_PATH)) is not None
        assert product.price_minor is not None
        assert product.compare_at_price_minor is None or product.compare_at_price_minor > product.price_minor
    sold_out = sum(product.is_available is False for product in table.products)
    assert 30 <= sold_out <= 120
    assert set(Counter(product.currency for product in table.products)) == {"EUR", "USD", "GBP"}
