"""Names that people write: what may be one, and what becomes of one in keys, file names, cards and tables."""

import hashlib
import re
import unicodedata

PLAIN = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
"""What names an experiment: it becomes a DVC stage, a folder, a key of params.yaml."""

DOTTED = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""What names a study or a registered model."""

LONGEST = 100
"""Characters that a name may have."""

FORMULA_SIGNS = ("=", "+", "-", "@")
"""With one of these first, a spreadsheet takes a cell for a formula."""

_KEY_CHARACTERS = 60
_HASHED = re.compile(r"-[0-9a-f]{8}$")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|!&~])")


def name_problem(name: object, pattern: str = PLAIN) -> str | None:
    """Say why a name of params.yaml cannot be used, and what to use instead; None where it can be."""
    if not isinstance(name, str):
        return f"{name!r} is a {type(name).__name__} to YAML: a name is text, put it in quotes"
    if re.fullmatch(pattern, name) and len(name) <= LONGEST:
        return None
    dots = " . _ -" if "." in pattern else " _ -"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    better = re.sub(r"[^A-Za-z0-9_-]+" if pattern == PLAIN else r"[^A-Za-z0-9_.-]+", "-", plain)
    better = better.lstrip("-.").rstrip("-.")[:LONGEST] or "a-name"
    return f"{name!r} holds other characters than letters, digits and{dots}, or too many: call it {better!r}"


def text_problem(name: str) -> str | None:
    """Say why a free name, such as a class's, cannot be used, and the remedy; None where it can be."""
    if not name or name != name.strip() or not name.isprintable():
        return f"{name!r} is empty, has spaces around it, or characters that cannot be seen: remove these"
    if name.startswith(FORMULA_SIGNS):
        return f"{name!r} begins as a spreadsheet's formula does: begin with a letter or a digit"
    if len(name) > LONGEST:
        return f"{name!r} has {len(name)} characters, {LONGEST} at most: shorten it"
    return None


def key_of(name: str) -> str:
    """Make a file name, or a key that MLflow takes, of a free name.

    The name itself where it is made of letters, digits, ``_ - .`` alone; else these of it and eight digits of
    its SHA-256, so that two names never share a key.
    """
    key = re.sub(r"[^\w.-]+", "-", name).strip("-")
    plain = key == name and not name.startswith(".") and len(name) <= 2 * LONGEST
    if plain and not _HASHED.search(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{key[:_KEY_CHARACTERS].lstrip('.') or 'name'}-{digest}"


def shown(text: str, keep: str = "") -> str:
    """Spell out what steers a terminal, turns the direction of writing or is not seen, except `keep`."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode("ascii") for c in text
    )


def markdown(text: str) -> str:
    """Escape one line that stands in Markdown, in a table's cell too, where HTML would be taken for HTML."""
    return _MARKDOWN.sub(r"\\\1", shown(text))


def cell(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula: as `shown`, after an apostrophe if need be."""
    text = shown(text, keep="\t")
    begins = unicodedata.normalize("NFKC", text[:1])  # of full-width signs the plain ones
    if not begins.startswith((*FORMULA_SIGNS, "\t")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
