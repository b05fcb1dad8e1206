"""What is secret in an address is shown to nobody."""

import logging
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.address import holds_secret, keep_secrets, without_secrets
from tmdscope.errors import UserError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://a:b@h/d?password=c&x=1", "at postgresql://h/d?password=***&x=1"),
        ("mysql://a:b/c@h/d", "mysql://h/d"),
        ("mysql://a:p?q#b/c:d%40@h/d", "mysql://h/d"),
        ("http://a:b@h:1/c for x@y", "http://h:1/c for x@y"),
        ("HTTP://A:B@H:1/C", "HTTP://H:1/C"),
        ("http://a:two words@h/c", "http://h/c"),
        ("redis://:b@h:1", "redis://h:1"),
        ("https://ghp_0123@h/a.git", "https://h/a.git"),
        ("a://b:c@h/d and http://e:f@g/h", "a://h/d and http://g/h"),
        ("http://a:b@h,http://c:d@e", "http://h,http://e"),
        ("ValueError('http://a:b@h/x')", "ValueError('http://h/x')"),
        ("host=h password='x y' user=u", "host=h password=*** user=u"),
        ("http://h/?sig=a%2Fb&X-Amz-Signature=0f&v=1", "http://h/?sig=***&X-Amz-Signature=***&v=1"),
        ("http://h/?sslpassword=b&PWD=c#access_token=d", "http://h/?sslpassword=***&PWD=***"),
        ("{'api_key': 'x y', 'name': 'z'}", "{'api_key': ***, 'name': 'z'}"),
        ("Authorization: Basic YTpi", "Authorization: Basic ***"),
    ],
)
def test_passwords_and_tokens_are_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown
    assert holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/a@b/mlflow.db",
        "postgresql://USER@HOST:5432/DATABASE",
        "models:/name@production",
        "s3://bucket/key@x",
        "http://127.0.0.1:5000/#/experiments/1 of x@y",
        "http://[::1]:5000/a@b",
        r"C:\Users\a@b\x.csv",
        "max_tokens=5, compass=2, design=3, key=7",
        "set MLFLOW_TRACKING_PASSWORD, or PGPASSWORD",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@given(st.text(st.characters(exclude_characters="=:@")), st.sampled_from(["", "x@y.org", "12:30", "a=b"]))
def test_plain_texts_stay(text: str, more: str) -> None:
    assert without_secrets(text + more) == text + more


@pytest.mark.parametrize("password", ["hunter22", "p@ss /wo?rd#x:1", "a%2Fb c", "üß'quote", "hush"])
def test_a_password_of_the_environment_is_found_without_its_address(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("MLFLOW_TRACKING_PASSWORD", password),
        ("HTTPS_PROXY", f"http://me:{password}@proxy:3128"),
    ):
        monkeypatch.setenv(name, value)
        assert without_secrets(f"refused ({password!r}, {password})") in {
            "refused ('***', ***)",
            'refused ("***", ***)',
        }
        monkeypatch.delenv(name)


def test_short_and_common_words_of_the_environment_do_not_spoil_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("X_PASSWORD", "post")
    monkeypatch.setenv("Y_TOKEN", "true")
    monkeypatch.setenv("PWD", "/home/me/study")
    assert without_secrets("true: postgres in /home/me/study") == "true: postgres in /home/me/study"
    assert without_secrets("as post") == "as ***"


def test_logs_warnings_and_errors_hide_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "elsewhere")  # whatever tests before have done to the root
    keep_secrets()
    address = "http://me:hunter22@h/x"
    try:
        raise OSError(address)
    except OSError:
        logging.getLogger("elsewhere").warning("asked %s", address, exc_info=True)
    told = warnings.formatwarning(f"asked {address}", UserWarning, "a.py", 1, "")
    for text in (caplog.text, told, str(UserError(f"asked {address}"))):
        assert "http://h/x" in text
        assert "hunter22" not in text
