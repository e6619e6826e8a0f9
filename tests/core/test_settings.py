"""Settings: arguments, environment, and what is said when they are wrong."""

from __future__ import annotations

import pickle
import traceback

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from db_core.errors import ConfigurationError
from db_core.settings import BackendSettings, load


class Settings(BackendSettings):
    """A backend's settings as a backend would declare them."""

    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    url: str
    port: int = Field(default=1, ge=1, le=65535)
    token: SecretStr | None = None


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SAMPLE_URL", "SAMPLE_PORT", "SAMPLE_TOKEN"):
        monkeypatch.delenv(variable, raising=False)


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given is taken; what is None comes from the environment, else from the default."""
    monkeypatch.setenv("SAMPLE_URL", "from-environment")
    monkeypatch.setenv("SAMPLE_TOKEN", "token-from-environment")

    settings = load(Settings, {"url": "from-argument", "port": None, "token": None})

    assert "from-argument" == settings.url
    assert 1 == settings.port
    assert settings.token is not None
    assert "token-from-environment" == settings.token.get_secret_value()


def test_the_environment_is_read_when_the_object_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that changes between two objects shows in the second only."""
    monkeypatch.setenv("SAMPLE_URL", "first")
    first = load(Settings, {})
    monkeypatch.setenv("SAMPLE_URL", "second")
    second = load(Settings, {})

    assert ("first", "second") == (first.url, second.url)


def test_an_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SAMPLE_PORT=` means the same as no such variable."""
    monkeypatch.setenv("SAMPLE_PORT", "")

    assert 1 == load(Settings, {"url": "u"}).port


def test_other_variables_of_the_prefix_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's `SAMPLE_…` is ignored."""
    monkeypatch.setenv("SAMPLE_OTHER", "x")

    assert "u" == load(Settings, {"url": "u"}).url


def test_every_fault_names_its_argument_and_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error tells all that is wrong, wherever it came from, and quotes no value."""
    monkeypatch.setenv("SAMPLE_PORT", "hunter2")
    wrong = {"token": len("hunter2") * 1000}

    with pytest.raises(ConfigurationError) as caught:
        load(Settings, wrong)

    text = str(caught.value)
    assert "`url` (or SAMPLE_URL) is missing" in text
    assert "`port` (or SAMPLE_PORT) is malformed" in text
    assert "`token` (or SAMPLE_TOKEN) is malformed" in text
    whole = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in whole
    assert "7000" not in whole


def test_a_secret_shows_nowhere() -> None:
    """Neither repr nor str nor an f-string tells it; a pickle must hold it, to be of use."""
    settings = load(Settings, {"url": "u", "token": "hunter2"})

    assert "hunter2" not in f"{settings!r} {settings} {settings.token} {settings.model_dump()}"
    assert settings == pickle.loads(pickle.dumps(settings))


def test_settings_do_not_change() -> None:
    """They are what the connection was made with."""
    settings = load(Settings, {"url": "u"})

    with pytest.raises(ValueError, match="frozen"):
        settings.url = "v"
