"""What is secret in an address is shown to nobody."""

import pytest

from tmdscope.address import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://a:b@h/d?password=c&x=1", "at postgresql://h/d?password=***&x=1"),
        ("mysql://a:b/c@h/d", "mysql://h/d"),
        ("http://a:b@h:1/c for x@y", "http://h:1/c for x@y"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
    ],
)
def test_passwords_in_addresses_are_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
