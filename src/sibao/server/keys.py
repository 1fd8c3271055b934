"""API keys: only their hashes are kept, each with its own limits.

The file is TOML, one table a key; ``sibao serve --new-key NAME`` adds one and shows it once.

    [laptop]
    sha256 = "9f86d0…"
    requests_per_minute = 60
    tokens_per_minute = 20000
    budget = 5.0          # in all, of the catalogue's currency, for hosted models behind this server

A key has 256 random bits, so a plain hash of it cannot be turned back by guessing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sibao.core.errors import BadInput, ConfigError, Refused, SibaoError
from sibao.core.paths import write_text
from sibao.server._ledger import Ledger

log = logging.getLogger("sibao.server")
PREFIX = "sk-sibao-"
_NAME = re.compile(r"[\w-]{1,64}")
MINUTE = 60.0


class Rule(BaseModel):
    """One key of the file."""

    model_config = ConfigDict(extra="forbid")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    budget: float | None = Field(None, ge=0)


@dataclass
class Bucket:
    """A token bucket: ``rate`` a minute, at most a minute's worth at once. What has been used may exceed it, once: how many
    tokens an answer takes is known when it is there."""

    rate: float
    left: float = field(init=False)
    at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.left = self.most

    @property
    def most(self) -> float:
        """What it holds; below one a minute nothing would ever be taken from it."""
        return max(1.0, self.rate)

    def wait(self, now: float) -> float:
        """Seconds until there is one again; 0 where there is."""
        self.left = min(self.most, self.left + (now - self.at) * self.rate / MINUTE)
        self.at = now
        return 0.0 if self.left >= 1 else (1 - self.left) * MINUTE / self.rate


@dataclass
class Caller:
    """Who asks: the name of a key (empty: no key is asked for), its hash, and what is left of its limits."""

    name: str = ""
    hash: str = ""
    requests: Bucket | None = None
    tokens: Bucket | None = None
    budget: float | None = None
    ledger: Ledger = field(default_factory=Ledger)
    held: float = 0.0

    @property
    def left(self) -> float | None:
        """What may still be spent, without what answers under way may cost; None where there is no budget."""
        return None if self.budget is None else self.budget - self.ledger.spent(self.hash) - self.held

    @contextmanager
    def hold(self, most: float) -> Iterator[None]:
        """While one answer is made: what it may cost is not there for others, so that many at once spend no more beyond the
        budget than one alone.

        Raises:
            Refused: nothing is left for it.
        """
        self.afford()
        self.held += most
        try:
            yield
        finally:
            self.held -= most

    def admit(self) -> None:
        """Count one request.

        Raises:
            Refused: a limit is reached; says when to ask again.
        """
        now = time.monotonic()
        for bucket, what in ((self.requests, "requests"), (self.tokens, "tokens")):
            if bucket is not None and (seconds := bucket.wait(now)):
                raise Refused(
                    429, f"the key {self.name!r} has used its {bucket.rate:g} {what} of a minute",
                    hint=f"ask again in {seconds:.0f} s", seconds=seconds, code="rate_limit_exceeded",
                )  # fmt: skip
        self.afford()
        if self.requests is not None:
            self.requests.left -= 1

    def afford(self) -> None:
        """Whether the budget allows one more answer.

        Raises:
            Refused: it does not.
        """
        if (left := self.left) is not None and left <= 0:
            if left + self.held > 0:
                raise Refused(
                    429, f"answers under way may spend the rest of the budget of the key {self.name!r}",
                    hint="ask again when they have ended", seconds=5, code="rate_limit_exceeded",
                )  # fmt: skip
            raise Refused(
                429, f"the key {self.name!r} has spent its budget of {self.budget:g}", hint="raise it in the file of keys",
                seconds=3600, code="insufficient_quota",
            )  # fmt: skip

    def reserve(self, most: float) -> None:
        """Spend what work may cost, before it is done.

        Raises:
            Refused: the budget does not hold so much.
        """
        if (left := self.left) is not None and most > left:
            raise Refused(
                429, f"this may cost {most:g}, and the key {self.name!r} has {left:g} left of its budget",
                hint="set a lower max_cost", seconds=3600, code="insufficient_quota",
            )  # fmt: skip
        self.used(0, most)

    def used(self, tokens: int, cost: float = 0.0) -> None:
        """What an answer took."""
        if self.hash:
            self.ledger.add(self.hash, cost)
        if self.tokens is not None:
            self.tokens.left -= tokens


class Keys:
    """All keys of a file; read again when the file changes.

    Raises:
        ConfigError: the file is not there, or cannot be read. StoreError: a key has a budget, and the database that keeps
            what it has spent cannot be read.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._read_at = path, 0
        self._callers: dict[str, Caller] = {}
        self._ledger = Ledger()
        self._free = Caller()
        if path is not None:
            if not path.exists():
                raise ConfigError(
                    f"there is no file of keys {path}", hint="make one: sibao serve --keys FILE --new-key NAME"
                )
            self._read_at = path.stat().st_mtime_ns
            self._take(read(path))

    @property
    def needed(self) -> bool:
        """Whether callers must have one: always where a file was named, also while no key is in it."""
        return self._path is not None

    def caller(self, key: str | None) -> Caller:
        """Who has this key.

        Raises:
            Refused: none, or one that is not known (401).
        """
        if not self.needed:
            return self._free
        self._refresh()
        if not key:
            raise Refused(
                401, "an API key is needed", hint="send it as Authorization: Bearer KEY", code="missing_api_key"
            )
        digest = hash_of(key)
        for known, caller in self._callers.items():
            if hmac.compare_digest(known, digest):
                return caller
        raise Refused(401, "this API key is not known", hint="ask who runs the server for one", code="invalid_api_key")

    def close(self) -> None:
        """Keep what was spent."""
        self._ledger.write()

    def _refresh(self) -> None:
        """Read the file if it has changed. One that is gone or damaged opens no door: the keys known so far hold on."""
        if self._path is None:
            return
        try:
            changed = self._path.stat().st_mtime_ns
            if changed == self._read_at:
                return
            self._read_at = changed
            self._take(read(self._path))
        except (OSError, SibaoError) as error:
            log.error("the file of keys is not read again: %s", error)

    def _take(self, rules: dict[str, Rule]) -> None:
        """The keys as the file has them now. One that stays is the same caller: what it has under way counts for it."""
        if any(rule.budget is not None for rule in rules.values()):
            self._ledger.know()
        if not rules:
            log.warning("%s holds no key, so nobody is let in; --new-key NAME makes one", self._path)
        before, self._callers = self._callers, {}
        for name, rule in rules.items():
            caller = before.get(rule.sha256) or Caller(hash=rule.sha256, ledger=self._ledger)
            caller.name, caller.budget = name, rule.budget
            caller.requests = _bucket(rule.requests_per_minute, caller.requests)
            caller.tokens = _bucket(rule.tokens_per_minute, caller.tokens)
            self._callers[rule.sha256] = caller


def _bucket(rate: float | None, before: Bucket | None) -> Bucket | None:
    """A bucket of that rate; the one that there was, where the rate is the same."""
    if rate is None or (before is not None and before.rate == rate):
        return None if rate is None else before
    return Bucket(rate)


def hash_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def read(path: Path) -> dict[str, Rule]:
    """The file's keys by name.

    Raises:
        ConfigError: it is no TOML, or a key has another form.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: Rule.model_validate(rule) for name, rule in found.items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        why = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"{path}: {why}", hint="one table a key: sha256, requests_per_minute, tokens_per_minute"
        ) from None


def new_key(path: Path, name: str, **limits: float | None) -> str:
    """A new key, its hash added to the file, which only its owner can read.

    Raises:
        BadInput: a name in use, or of other characters than letters, digits, - and _; a limit that is none.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name of a key", hint="use 1 to 64 letters, digits, - and _")
    rules = read(path) if path.exists() else {}
    if name in rules:
        raise BadInput(f"there is a key {name!r} already", hint=f"take another name, or remove its table from {path}")
    key = PREFIX + secrets.token_urlsafe(32)
    given = {k: v for k, v in limits.items() if v is not None}
    try:
        rules[name] = Rule(sha256=hash_of(key), **given)
    except ValidationError as error:
        what = str(error.errors()[0]["loc"][0])
        raise BadInput(
            f"{what} of the key is {given[what]:g}, wanted a number above 0", hint="leave it out for no limit"
        ) from None
    lines = []
    for known, rule in rules.items():
        lines += [f"[{json.dumps(known, ensure_ascii=False)}]", f'sha256 = "{rule.sha256}"']
        lines += [f"{k} = {v}" for k, v in rule.model_dump(exclude={"sha256"}, exclude_none=True).items()] + [""]
    write_text(path, "\n".join(lines))
    path.chmod(0o600)
    return key
