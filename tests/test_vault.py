"""Sealing, and access keys."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Misconfigured
from gateway.vault import (
    Vault,
    VaultError,
    WeakKey,
    check_strength,
    hash_key,
    hint,
    is_reference,
    new_key,
    resolve_references,
)

KEY = Fernet.generate_key().decode()
OTHER = Fernet.generate_key().decode()


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_token_is_always_the_same_and_only_its_key_reads_it(text: str) -> None:
    token = Vault([KEY]).token(text)
    assert token == Vault([KEY, OTHER]).token(text) != Vault([OTHER]).token(text)
    assert re.fullmatch("[A-Za-z0-9_-]{22,}", token)
    assert Vault([OTHER, KEY]).read_token(token) == text
    assert Vault([OTHER]).read_token(token) is None


@given(st.text(), st.integers(0, 40))
def test_what_is_no_token_is_not_read(text: str, cut: int) -> None:
    vault = Vault([KEY])
    token = vault.token("something to keep")
    for wrong in (text, token[:cut] + text, text + token, token[:cut]):
        assert vault.read_token(wrong) in (None, "something to keep")
    assert vault.read_token(token[:-4]) is vault.read_token("A" + token) is None


@given(st.text(st.characters(codec="utf-8")))
def test_what_is_sealed_opens_again(text: str) -> None:
    vault = Vault([KEY])
    sealed = vault.seal(text)
    assert vault.unseal(sealed) == text
    assert len(text) < 8 or text not in sealed


def test_a_new_first_key_seals_and_the_old_one_still_opens(tmp_path: Path) -> None:
    old = Vault([KEY]).seal("provider key")
    both = Vault.open(f"{OTHER}, {KEY},", tmp_path / "none")
    assert both.unseal(old) == "provider key"
    assert Vault([OTHER]).unseal(both.seal("provider key")) == "provider key"
    assert not list(tmp_path.iterdir())


# With names of their own: workers that run the tests in parallel must agree on them.
@pytest.mark.parametrize(
    "sealed",
    ["", "not sealed at all", "é", Vault([KEY]).seal("x")],
    ids=["empty", "text", "not ascii", "of another key"],
)
def test_what_another_key_sealed_cannot_be_opened(sealed: str) -> None:
    with pytest.raises(VaultError, match="sealed with another secret key"):
        Vault([OTHER]).unseal(sealed)


@pytest.mark.parametrize(
    "key",
    ["short", "é" * 44, KEY[:-2], f"{KEY},short", ",", " , "],
    ids=["short", "not ascii", "cut", "one of two", "comma", "blanks"],
)
def test_a_malformed_key_is_refused_and_not_repeated(key: str, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match=r"GATEWAY_SECRET_KEY is not a key.*openssl rand") as error:
        Vault.open(key, tmp_path / "none")
    assert KEY not in str(error.value)


def test_openssls_key_is_one(tmp_path: Path) -> None:
    """What the error advises: `openssl rand -base64 32 | tr '+/' '-_'`."""
    made = base64.b64encode(os.urandom(32)).decode().translate(str.maketrans("+/", "-_"))
    assert Vault.open(made, tmp_path / "none").seal("x")


def test_the_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        sealed = Vault.open(None, tmp_path / "gateway.key").seal("x")
    finally:
        os.umask(before)
    assert (tmp_path / "gateway.key").stat().st_mode & 0o777 == 0o600
    assert Vault.open("", tmp_path / "gateway.key").unseal(sealed) == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.key"]


def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gateway.vault import Vault\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(Vault.open(None, Path(sys.argv[1])).seal('x'))"
    )
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "gateway.key")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("\n")
        opener.stdin.flush()
    vault = None
    for opener in openers:
        out, err = opener.communicate(timeout=20)
        assert opener.returncode == 0, err
        vault = vault or Vault.open(None, tmp_path / "gateway.key")
        assert vault.unseal(out.strip()) == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.key"]


def test_the_loser_of_that_race_uses_the_winners_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process makes its file just before this one does."""
    path = tmp_path / "gateway.key"
    link = os.link

    def overtaken(source: str, target: Path) -> None:
        path.write_text(KEY)
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    assert Vault([KEY]).unseal(Vault.open(None, path).seal("x")) == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.key"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"not a key", "gateway.key is not a key"),
        (b"SQLite\xff\xfe\x00", "holds something else than a key"),
    ],
)
def test_a_bad_key_file_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "gateway.key").write_bytes(content)
    with pytest.raises(VaultError, match=message) as refused:
        Vault.open(None, tmp_path / "gateway.key")
    assert str(tmp_path / "gateway.key") in str(refused.value)
    assert (tmp_path / "gateway.key").read_bytes() == content


def test_a_key_file_that_cannot_be_read_or_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(VaultError, match=r"Cannot read the key file .*directory: Is a directory"):
        Vault.open(None, tmp_path / "directory")
    with pytest.raises(VaultError, match=r"Cannot make the key file .*: No such file or directory"):
        Vault.open(None, tmp_path / "missing" / "gateway.key")
    (tmp_path / "file").write_text("x")
    with pytest.raises(VaultError, match=r"Cannot make the key file .*: Not a directory"):
        Vault.open(None, tmp_path / "file" / "gateway.key")


def test_new_keys_hold_32_random_bytes_and_pass_our_own_rule() -> None:
    made = {new_key() for _ in range(500)}
    assert len(made) == 500
    for key in made:
        assert key.startswith("sk-")
        assert len(base64.urlsafe_b64decode(key.removeprefix("sk-") + "=")) == 32
        check_strength(key, "key")


def test_a_key_is_known_by_its_sha_256_and_shown_by_its_end() -> None:
    key = new_key()
    assert hash_key(key) == hashlib.sha256(key.encode()).hexdigest()
    assert hint(key) == f"sk-…{key[-4:]}"
    # As a command line that is not UTF-8 would have it.
    assert hash_key("sk-\udcff") == hashlib.sha256(b"sk-\xff").hexdigest()


@pytest.mark.parametrize(
    "weak",
    [
        "",
        "sk-",
        "sk-1234",
        "sk-0123456789abcdef",  # 19
        "sk-" + "a" * 60,
        "sk-" + "ab1" * 20,
        "0123456789abcdefghijklmnop",
        "SK-0123456789abcdefghijklmnop",
        "sk-0123456789 abcdefghijklmnop",
        "sk-0123456789abcdefghijklmnop\r",
        "sk-0123456789abcdefghijklmnöp",
    ],
)
def test_a_key_that_could_be_guessed_or_never_sent_is_refused(weak: str) -> None:
    with pytest.raises(WeakKey, match=r"GATEWAY_ADMIN_KEY is too weak.*openssl") as refused:
        check_strength(weak, "GATEWAY_ADMIN_KEY")
    assert (refused.value.status, refused.value.param) == (422, "GATEWAY_ADMIN_KEY")
    assert len(weak) < 4 or weak not in str(refused.value)


def test_a_strong_key_is_taken() -> None:
    check_strength("sk-0123456789abcdefg", "key")
    check_strength("sk-!#$%&/()=?+*~[]{}|<>", "key")


ENVIRON = {"A": "alpha", "B": "beta", "EMPTY": ""}


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("os.environ/A", "alpha"),
        ("plain", "plain"),
        ("x os.environ/A", "x os.environ/A"),
        ("os.environ/", "os.environ/"),
        (None, None),
        (7, 7),
        ([], []),
        (
            {"a": "os.environ/A", "deep": [{"b": ["os.environ/B", 1.5]}, True]},
            {"a": "alpha", "deep": [{"b": ["beta", 1.5]}, True]},
        ),
    ],
)
def test_references_are_resolved_wherever_they_stand(value: object, resolved: object) -> None:
    assert resolve_references(value, ENVIRON) == resolved


@pytest.mark.parametrize("name", ["MISSING", "EMPTY", "a"])
def test_a_variable_that_is_not_set_is_named(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"variable {name} is not set") as refused:
        resolve_references({"x": [f"os.environ/{name}"]}, ENVIRON)
    assert refused.value.param == name


def test_what_is_a_reference() -> None:
    assert is_reference("os.environ/X")
    assert not any(map(is_reference, ["os.environ/", "os.environ", "X", None, 3, ["os.environ/X"]]))
