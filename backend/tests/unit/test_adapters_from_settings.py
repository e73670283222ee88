"""Which hosts and apps the adapters speak to, by what is set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.composition import build_adapters_from
from app.platforms.instagram.client import InstagramConfig
from app.settings import Settings

SANDBOX = "http://sandbox.test:8206"
INSTAGRAM = {"instagram_app_id": "ig-app", "instagram_app_secret": "ig-secret"}
FACEBOOK = {"facebook_app_id": "fb-app", "facebook_app_secret": "fb-secret"}


def instagram(tmp_path: Path, **changes: Any) -> tuple[tuple[str, ...], InstagramConfig]:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        environment="test",
        data_dir=tmp_path,
        database_url="postgresql://nobody@127.0.0.1/none",
        sandbox_url=SANDBOX,
        jwt_secret_key="a secret of the tests, at least 32 bytes long",
        token_encryption_keys="1:" + "A" * 43 + "=",
        sandbox_app_secret="sandbox-secret-of-the-tests",
        **changes,
    )
    connector: Any = build_adapters_from(settings)["instagram"].connector
    return connector.logins, connector.config


@pytest.mark.parametrize("facebook", [{}, FACEBOOK])
def test_a_sandbox_instagram_has_both_sign_ins_in_the_sandbox(tmp_path, facebook):
    logins, config = instagram(tmp_path, **facebook)
    assert logins == ("instagram", "facebook")
    assert config.facebook_app_id == "postpilot-sandbox"
    assert config.facebook_app_secret == "sandbox-secret-of-the-tests"
    assert config.facebook_graph_url == f"{SANDBOX}/facebook/graph"
    assert config.upload_url == f"{SANDBOX}/facebook/upload"


def test_a_live_instagram_without_a_facebook_app_has_one_sign_in(tmp_path):
    logins, config = instagram(tmp_path, **INSTAGRAM)
    assert logins == ("instagram",)
    assert config.graph_url == "https://graph.instagram.com"
    assert config.facebook_app_secret == ""


def test_a_live_instagram_with_a_facebook_app(tmp_path):
    logins, config = instagram(tmp_path, **INSTAGRAM, **FACEBOOK, meta_upload_url="https://upload.test/")
    assert logins == ("instagram", "facebook")
    assert (config.facebook_app_id, config.facebook_app_secret) == ("fb-app", "fb-secret")
    assert config.facebook_graph_url == "https://graph.facebook.com"
    assert config.facebook_oauth_url == "https://www.facebook.com"
    assert config.upload_url == "https://upload.test"
