"""An announced price as news in both languages, for the operator to finish and publish."""

from __future__ import annotations

from collections.abc import Mapping

from whalefall.accounts.announcements import Notice
from whalefall.billing.announced_prices import AnnouncedPrice
from whalefall.billing.pricing import text_from_micros
from whalefall.console.language import Catalog, Language, mark

TITLE = mark("New price of %(model)s from %(instant)s UTC")
TEXT = mark(
    "Per million tokens in %(currency)s: input in the cache %(hit)s, other input %(miss)s, output "
    "%(output)s. Whoever asks before that instant pays the old price. All prices are on the "
    "[price list](/pricing)."
)


def price_notice(catalogs: Mapping[Language, Catalog], announced: AnnouncedPrice) -> Notice:
    price = announced.price
    values = {
        "model": price.model,
        "instant": announced.effective_from.strftime("%Y-%m-%d %H:%M"),
        "currency": price.currency.value,
        "hit": text_from_micros(price.hit_micros),
        "miss": text_from_micros(price.miss_micros),
        "output": text_from_micros(price.output_micros),
    }
    english, chinese = catalogs[Language.ENGLISH], catalogs[Language.CHINESE]
    return Notice(
        title_en=english.gettext(TITLE) % values,
        text_en=english.gettext(TEXT) % values,
        title_zh=chinese.gettext(TITLE) % values,
        text_zh=chinese.gettext(TEXT) % values,
    )
