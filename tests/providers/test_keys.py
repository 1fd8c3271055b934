"""Keys: from the environment, then from the system's keyring; for one server alone where the keyring says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.remote import Remote, chat, said

from sibao.core.errors import BadInput, ProviderError
from sibao.providers import _keys
from sibao.providers._keys import Key
from sibao.providers.load import load

keyring = pytest.importorskip("keyring")


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A keyring in memory in place of the system's."""
    from keyring.backend import KeyringBackend

    held: dict[str, str] = {}

    class Ring(KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return held.get(username) if service == _keys.SERVICE else None

        def set_password(self, service: str, username: str, password: str) -> None:
            held[username] = password

        def delete_password(self, service: str, username: str) -> None:
            del held[username]

    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    _keys._from_keyring.cache_clear()
    for name in ("OPENAI_API_KEY", "OPENAI_COMPATIBLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield held
    keyring.set_keyring(before)
    _keys._from_keyring.cache_clear()


def test_the_keyring_comes_second(ring: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    ring["OPENAI_API_KEY"] = "from-the-ring"
    key = Key(("OPENAI_API_KEY",))
    assert key.headers() == {"Authorization": "Bearer from-the-ring"}
    monkeypatch.setenv("OPENAI_API_KEY", " from-outside\n")
    assert key.headers() == {"Authorization": "Bearer from-outside"}


def test_a_locked_keyring_is_an_empty_one(ring: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring.errors import KeyringLocked

    def locked(*_: str) -> str:
        raise KeyringLocked("locked")

    monkeypatch.setattr(keyring, "get_password", locked)
    with pytest.raises(ProviderError, match="OPENAI_API_KEY is not set") as caught:
        Key(("OPENAI_API_KEY",)).headers()
    assert "keyring set sibao OPENAI_API_KEY" in caught.value.hint


def test_a_key_of_one_server_goes_to_no_other(ring: dict[str, str], remote: Remote) -> None:
    ring[f"{remote.url}/v1"] = "for-this-one"
    remote.play(said({"data": [{"id": "m"}]}), said(chat()))
    load(f"{remote.url}/v1#m").generate([[{"role": "user", "content": "x"}]])
    assert {seen.headers["authorization"] for seen in remote.seen} == {"Bearer for-this-one"}
    remote.play(said({"data": [{"id": "m"}]}))
    load(f"{remote.url}/other/v1#m")
    assert "authorization" not in remote.seen[0].headers


def test_keys_are_not_shown() -> None:
    assert "Key(" in repr(Key(("A",))) and Key(("A", "B")).names == "A or B"


@pytest.mark.parametrize("value", ["a b", "a\x00b", "密钥", "a\u2028b"])
def test_what_no_header_can_carry(value: str, ring: dict[str, str]) -> None:
    ring["OPENAI_API_KEY"] = value
    with pytest.raises(BadInput, match="characters that no key has") as caught:
        Key(("OPENAI_API_KEY",)).headers()
    assert value not in str(caught.value)
