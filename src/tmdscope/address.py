"""Addresses of servers, databases and files as messages, records and tags may show them."""

import re


def without_secrets(text: str) -> str:
    """Take names and passwords out of the addresses in a text.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        The text, ``://NAME:PASSWORD@`` cut to ``://`` and passwords in queries to ``***``.
    """
    shown = re.sub(r"://[^/\s]*@", "://", text)
    shown = re.sub(r"(?<!http)(?<!https)://[^\s/@:]*:\S*@", "://", shown)  # a database's may hold a slash
    return re.sub(r"(?i)(password=)[^&\s]+", r"\1***", shown)
