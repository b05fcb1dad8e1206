"""Names that a person reads as one: how they are compared, everywhere."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_DASHES = re.compile(r"[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_QUOTES = re.compile(r"[\u2018\u2019\u02bc\u00b4`]")


def plain_name(name: str) -> str:
    """Reduce a name to what a person reads.

    Unicode forms, widths, subscripts, case, spaces, kinds of dash or apostrophe, and unseen characters go.
    """
    seen = "".join(
        c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf" or c.isspace()
    )
    read = _QUOTES.sub("'", _DASHES.sub("-", seen.casefold()))
    return " ".join(unicodedata.normalize("NFKC", read).split())


def find_alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Group different names that look alike: two and more, each once, in order of appearance."""
    groups: dict[str, dict[str, None]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(plain_name(name), {})[name] = None
    return [tuple(group) for group in groups.values() if len(group) > 1]


def tell_alike(what: str, names: Sequence[str]) -> str:
    """Say that names look alike, spelt as Python does where one cannot tell them apart, and what to do."""
    listed = " and ".join(
        ascii(name) if plain_name(name) != name.casefold() else repr(name) for name in names
    )
    return (
        f"{what} {listed} look alike: write them in the same way if they are one, else give them names that "
        "differ by more than case, spaces, dashes or the encoding of accents"
    )
