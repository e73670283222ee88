"""What the columns of product files are called: in exports of shops, in Google's feeds, and by people."""

from __future__ import annotations

import re
import unicodedata

_ALIASES: dict[str, str] = {
    "id": "id product_id sku_id artikelnummer artikel_nr article_id referencia reference codigo item_id offer_id nr no "
    "produktnummer product_number id_produit id_producto id_prodotto codice kod",
    "sku": "sku variant_sku ugs skucode item_sku",
    "handle": "handle url_handle",
    "group": "item_group_id group_id parent_id parent gruppe variantengruppe",
    "title": "title name product_name product_title titel bezeichnung produktname artikelname nom titre nombre titulo "
    "nome titolo naam productnaam nazwa navn namn produkt produit producto prodotto product",
    "description": "description body_html body beschreibung produktbeschreibung descripcion descrizione descricao "
    "omschrijving opis beskrivelse beskrivning details text",
    "short_description": "short_description kurzbeschreibung description_courte",
    "url": "link url product_url produkt_url produktlink lien enlace permalink canonical_link page webseite",
    "image": "image_link image_url image image_src images bild bild_url bilder bildlink imagen imagen_url immagine "
    "foto photo picture main_image product_image product_image_url lien_image afbeelding zdjecie",
    "more_images": "additional_image_link additional_images additional_image_links more_images weitere_bilder",
    "variant_image": "variant_image variant_image_url",
    "brand": "brand vendor manufacturer marke hersteller marque fabricant marca fabricante merk produttore brands",
    "category": "product_type category categories type product_category kategorie kategorien warengruppe categorie "
    "categoria categorias categories categoria_prodotto kategori kategoria categorieen rubrik",
    "google_category": "google_product_category",
    "tags": "tags tag schlagworte schlagwoerter stichworte etiquettes mots_cles etiquetas etichette keywords labels",
    "price": "price variant_price regular_price preis verkaufspreis bruttopreis prix precio prezzo preco prijs cena "
    "pris price_eur preis_eur price_usd price_gbp normal_price tarif_regulier precio_normal amount",
    "sale_price": "sale_price angebotspreis aktionspreis sonderpreis prix_promo precio_rebajado prezzo_scontato "
    "special_price tarif_promo precio_oferta offer_price aanbiedingsprijs",
    "sale_dates": "sale_price_effective_date",
    "compare_at": "compare_at_price variant_compare_at_price old_price original_price rrp msrp uvp streichpreis "
    "alter_preis statt_preis prix_barre precio_anterior prezzo_originale list_price was_price",
    "currency": "currency currency_code waehrung devise moneda divisa valuta moeda waluta",
    "availability": "availability in_stock available stock_status verfuegbarkeit verfuegbar auf_lager vorraetig "
    "disponibilite disponible disponibilidad disponibilita en_stock en_existencia disponivel op_voorraad",
    "stock": "stock quantity qty variant_inventory_qty inventory inventory_quantity stock_quantity lagerbestand "
    "bestand menge lager quantite cantidad existencias quantita giacenza voorraad ilosc antal inventar "
    "sell_on_google_quantity total_inventory_quantity",
    "color": "color colour farbe couleur colore kleur",
    "size": "size groesse taille talla taglia maat",
    "material": "material materiau materiale",
    "option1": "option1_value",
    "option2": "option2_value",
    "option3": "option3_value",
    "published": "published veroeffentlicht publie publicado",
    "status": "status",
}
FIELDS: dict[str, str] = {alias: field for field, names in _ALIASES.items() for alias in names.split()}
HEADING_CHARS = 200
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "å": "a", "æ": "ae", "ł": "l"})


def normalised(header: str) -> str:
    """Return a heading as it is looked up: `G:Image Link` and `image-link` are both `image_link`."""
    text = header[:HEADING_CHARS].strip().strip("\ufeff").casefold().removeprefix("g:").translate(_UMLAUTS)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(r"\(([^)]*)\)|\[[^\]]*\]", r" \1", text)
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")


def fields_of(headers: list[str]) -> list[str | None]:
    """Return the field that each column holds, None for those that are not ours; the first of two wins.

    WooCommerce's `Type` says simple or variable rather than a category, and `In stock?` stands beside `Stock`; in a
    file with a `Handle`, `Image Src` and `URL handle` belong to Shopify.
    """
    names = [normalised(header) for header in headers]
    is_woocommerce = {"type", "sku", "name"} <= set(names) and ("regular_price" in names or "tax_status" in names)
    is_shopify = "handle" in names or "url_handle" in names
    found: list[str | None] = []
    for name in names:
        field = FIELDS.get(name)
        if is_woocommerce and name == "type":
            field = "row_type"
        elif is_woocommerce and name == "parent":
            field = "group"
        elif is_shopify and name == "product_category" and "type" in names:
            field = None  # the whole taxonomy; the shop's own type reads better
        found.append(field if field not in found else None)
    return found
