"""Addresses of servers, databases and files as messages, records and tags may show them."""

import functools
import json
import logging
import os
import re
import traceback
import warnings
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus, unquote

_HIDDEN = "***"
_LEAST, _DISTINCT = 4, 8
"""Characters from which a secret is looked for between other signs, and from which within words too."""

_LONG = (
    r"(?:password|passwd|passphrase|secret|token|credentials?|signature"
    r"|(?:api|access|account|private|secret|shared|auth)[-_]?(?:access[-_]?)?key|(?<![a-z])(?:pwd|pass))"
)
_WORD = rf"(?:{_LONG}|(?<![a-z])(?:pw|sig|sas|auth)|(?<=[?&;#])key)"
_QUOTED = r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\""
_BARE = r"[^\s&]+?(?=[)\]}>'\",.;:]{0,8}(?:[\s&]|$))"
_NAME = r"(?<=://)(?!\[)[^\s/@:'\"]{0,500}"
_NO_PORT = r":(?!\d{1,5}[:.]?(?:[/?#\s'\"),;\]>]|$))"

_CREDENTIALS = [  # up to the last @ of a word before another address; of a word; of a line
    re.compile(rf"{_NAME}{_NO_PORT}(?P<secret>{inside})@")
    for inside in (r"(?:(?!://)\S){0,4096}", r"\S{0,4096}", r"(?:(?!://)[^\n@]){0,4096}")
]
_USER = re.compile(r"(?P<scheme>[\w.+-]{1,40})://(?P<secret>[^\s/@:'\"]+)@")
_KEEPS_USER = re.compile(r"(?i)(?:postgres|mysql|mariadb|mssql|oracle|ssh|sftp)")
_PAIRS = [
    re.compile(rf"(?i)(?P<key>{_WORD}['\"]?[ \t]*=(?!=)[ \t]*)(?P<secret>{_QUOTED}|{_BARE})"),
    re.compile(rf"(?i)(?P<key>{_WORD}['\"][ \t]*:[ \t]*)(?P<secret>{_QUOTED})"),
    re.compile(r"(?i)(?P<key>authorization\W{1,6}(?:basic|bearer|token)\s+)(?P<secret>[^\s'\",]+)"),
]
_SECRET_VARIABLE = re.compile(rf"(?i){_LONG}$")
_WHOLE = re.compile(rf"[\w.+-]+://{_NAME}{_NO_PORT}(?P<secret>.*)@", re.DOTALL)
_NO_SECRETS = {"PWD", "true", "false", "none", "null"}


def without_secrets(text: str) -> str:
    """Take passwords and tokens out of a text: those in addresses and settings, and those in the environment.

    ``://NAME:PASSWORD@`` and ``https://TOKEN@`` are cut to ``://`` and ``https://``; ``***`` stands for
    values of ``password=`` and its like, and for what equals a password in a variable of this process.
    """
    known = _known(tuple(os.environ.items()))
    return _cut(text if known is None else known.sub(_HIDDEN, text))


def holds_secret(address: str) -> bool:
    """Say whether an address holds a password or token, whatever this process's variables are."""
    return _cut(address) != address


def password_in(address: str) -> str | None:
    """Find what stands between an address's name and its last ``@``, as it is written; None without one."""
    found = _WHOLE.match(address)
    return found["secret"] if found else None


@functools.cache
def keep_secrets() -> None:
    """Let nothing that this process logs or warns of show a secret."""
    logging.setLogRecordFactory(_Record)
    written = warnings.formatwarning
    warnings.formatwarning = lambda *given, **named: without_secrets(written(*given, **named))


class _Record(logging.LogRecord):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        if self.exc_info and self.exc_info[0]:  # a formatter takes it for its own
            self.exc_text = without_secrets("".join(traceback.format_exception(*self.exc_info)).rstrip())

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        return without_secrets(super().getMessage())


def _cut(text: str) -> str:
    if "://" in text:
        for pattern in _CREDENTIALS:
            text = pattern.sub("", text)
        text = _USER.sub(lambda found: found[0] if _is_user(found) else f"{found['scheme']}://", text)
    for pattern in _PAIRS:
        text = pattern.sub(rf"\g<key>{_HIDDEN}", text)
    return text


def _is_user(found: re.Match[str]) -> bool:
    """Tell a database's user, who is no secret, from a token."""
    return _KEEPS_USER.match(found["scheme"]) is not None


@functools.lru_cache(maxsize=1)
def _known(environment: tuple[tuple[str, str], ...]) -> re.Pattern[str] | None:
    """Look for the secrets in variables as they are, in addresses, and as messages quote them."""
    forms: set[str] = set()
    for name, value in environment:
        if name == "PYTEST_CURRENT_TEST":  # its text is of tests, of addresses too
            continue
        for secret in _secrets_of(name, value):  # a part may be taken for a port, host or path
            parts = re.split(r"[/@:?#\s]+", secret) if "://" in value else ()
            for plain in {secret, unquote(secret), *parts}:
                forms |= {plain, quote(plain), quote(plain, safe=""), quote_plus(plain), escape(plain)}
                forms |= {json.dumps(plain)[1:-1], repr(plain)[1:-1]}
    wanted = sorted((form for form in forms if len(form) >= _LEAST), key=len, reverse=True)
    return re.compile("|".join(map(_sought, wanted))) if wanted else None


def _secrets_of(name: str, value: str) -> Iterator[str]:
    if name not in _NO_SECRETS and value.lower() not in _NO_SECRETS and _SECRET_VARIABLE.search(name):
        yield value
    if (password := password_in(value)) is not None:
        yield password
    for pattern in (*_CREDENTIALS, *_PAIRS) if "=" in value or "@" in value else ():
        yield from (found["secret"].strip("'\"") for found in pattern.finditer(value))
    for found in _USER.finditer(value):
        if not _is_user(found) and len(found["secret"]) >= _DISTINCT:
            yield found["secret"]


def _sought(secret: str) -> str:
    """Make a short one, or one that may be a part of a word, match only as a word of its own."""
    if len(secret) < _DISTINCT or secret.isalpha() or secret.isdigit():
        return rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])"
    return re.escape(secret)
