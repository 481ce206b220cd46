"""What is asked of Microsoft and Google, who are not at hand for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from postroom.account import Account
from postroom.errors import Misconfigured
from postroom.oauth.provider_client import ProviderClient, provider_client
from postroom.secret import Secrets
from postroom.secret_box import SecretBox, new_key
from postroom.store import Store

ADDRESS = "ann@example.com"


def client(tmp_path: Path, kind: str, **section: Any) -> ProviderClient:
    entry = {"name": "ann", "type": kind, "address": ADDRESS, "oauth": {"client_id": "id", **section}}
    secrets = Secrets(Store(f"sqlite:///{tmp_path}/store.sqlite3"), SecretBox((new_key(),)))
    return provider_client(Account.model_validate(entry), secrets)


@pytest.mark.parametrize(
    ("kind", "start", "asked"),
    [
        (
            "gmail",
            "https://accounts.google.com/o/oauth2/v2/auth?",
            {"scope": "https://mail.google.com/", "access_type": "offline", "prompt": "consent"},
        ),
        (
            "outlook",
            "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?",
            {
                "scope": "https://outlook.office.com/IMAP.AccessAsUser.All "
                "https://outlook.office.com/SMTP.Send offline_access"
            },
        ),
    ],
)
def test_the_page_to_consent_on(tmp_path: Path, kind: str, start: str, asked: dict[str, str]) -> None:
    found = client(tmp_path, kind).start_browser("http://127.0.0.1:1/")
    assert found.url.startswith(start)
    query = {name: values[0] for name, values in parse_qs(urlsplit(found.url).query).items()}
    assert (
        query.items()
        >= {
            **asked,
            "response_type": "code",
            "client_id": "id",
            "redirect_uri": "http://127.0.0.1:1/",
            "state": found.state,
            "code_challenge_method": "S256",
            "login_hint": ADDRESS,
        }.items()
    )
    assert len(query["code_challenge"]) == 43
    assert found.verifier not in found.url
    assert found.verifier not in repr(found)


def test_two_sign_ins_have_nothing_in_common(tmp_path: Path) -> None:
    asker = client(tmp_path, "gmail")
    one, two = (asker.start_browser("http://127.0.0.1:1/") for _ in range(2))
    assert one.state != two.state
    assert one.verifier != two.verifier


def test_tokens_belong_to_a_client_and_an_endpoint(tmp_path: Path) -> None:
    same = client(tmp_path, "outlook", scopes=["another"]).source
    assert client(tmp_path, "outlook").source == same
    assert client(tmp_path, "outlook", tenant="contoso.com").source != same
    assert client(tmp_path, "outlook", client_id="another").source != same


def test_an_account_without_the_section_is_told_so(tmp_path: Path) -> None:
    entry = {"name": "ann", "address": ADDRESS, "smtp": {"host": "smtp.example.com"}}
    secrets = Secrets(Store(f"sqlite:///{tmp_path}/store.sqlite3"), SecretBox((new_key(),)))
    with pytest.raises(Misconfigured, match="ann has no oauth section"):
        provider_client(Account.model_validate(entry), secrets)


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    entry = {
        "name": "ann",
        "type": "oauth2",
        "address": ADDRESS,
        "imap": {"host": "imap.example.com"},
        "ca_file": "/nowhere.pem",
        "oauth": {"client_id": "id", "token_url": "https://a.example/t", "device_url": "https://a.example/d"},
    }
    secrets = Secrets(Store(f"sqlite:///{tmp_path}/store.sqlite3"), SecretBox((new_key(),)))
    with pytest.raises(Misconfigured, match=r"/nowhere\.pem") as caught:
        provider_client(Account.model_validate(entry), secrets)
    assert caught.value.reason_code == "ca_file"
