"""What a configuration file says, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from gateway import vault
from gateway.errors import GatewayError, InvalidField, Misconfigured
from gateway.evals.records import Dataset, Evaluator, Suite
from gateway.specs import KeySpec, ModelSpec, TeamSpec, setting

T = TypeVar("T", Dataset, Evaluator, Suite)

Kind = Literal["model", "team", "key", "setting", "admin key", "dataset", "evaluator", "suite"]
Level = Literal["error", "warning", "unsupported"]

# What is shown of a key of which only the hash is known.
_HINT_OF_HASH = vault.KEY_PREFIX + "…"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something in the file that the operator should know.

    Attributes:
        line: Counted from 1.
        path: Where it is, such as `model_list[0].litellm_params.rpm`; empty for the whole file.
        level: `error`: the file is refused. `unsupported`: LiteLLM has it, the gateway leaves it
            out. `warning`: it works, but.
        message: What is the matter, and the way out.
    """

    line: int
    path: str
    level: Level
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.path + ': ' if self.path else ''}{self.message}"


class ConfigUnreadable(GatewayError):
    """The file cannot be opened, or is not text."""


class ConfigRefused(GatewayError):
    """A file with errors, of which nothing is applied.

    Attributes:
        findings: The errors.
    """

    status = 422
    type = "invalid_request_error"

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("The configuration has errors:\n" + "\n".join(map(str, self.findings)))


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's value, or a reference to a variable that holds it."""

    line: int
    path: str
    value: Any


@dataclass(frozen=True, slots=True)
class Secret:
    """A key in the file: in plain text, or a reference to a variable that holds it."""

    line: int
    path: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A gateway key in the file. Either `secret` or `secret_hash` is set."""

    line: int
    path: str
    spec: KeySpec
    secret: Secret | None = None
    secret_hash: str | None = None


@dataclass(frozen=True, slots=True)
class TeamEntry:
    """A team in the file; it has an id."""

    line: int
    path: str
    spec: TeamSpec


@dataclass(frozen=True, slots=True)
class EvalEntry(Generic[T]):
    """A dataset, an evaluator or a suite in the file.

    Attributes:
        record: With an id of its own, and the time 0.
        given: The fields that the file names.
    """

    line: int
    path: str
    record: T
    given: frozenset[str]


@dataclass(frozen=True, slots=True)
class EvalsSection:
    """What is to be evaluated, in the file's order; without what has an error."""

    datasets: tuple[EvalEntry[Dataset], ...] = ()
    evaluators: tuple[EvalEntry[Evaluator], ...] = ()
    suites: tuple[EvalEntry[Suite], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What applying a file did to one thing it names; holds no secret.

    Attributes:
        kind: What sort of thing it is.
        name: A team's id, a key's label or its place in the file, or the name of anything else.
        state: `revoked`: the key was revoked before, and stays so. `rotated`: the key has another
            secret by now, and is left alone.
    """

    kind: Kind
    name: str
    state: Literal["added", "updated", "unchanged", "revoked", "rotated"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A place that names an environment variable."""

    line: int
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a file says.

    Attributes:
        models: In the file's order; without those that have an error or are not supported.
        teams: Likewise.
        keys: Likewise.
        settings: By their names in CallSettings; only those the file names.
        evals: Likewise.
        master_key: An admin key.
        references: The variables that the above refer to.
        findings: By line.
    """

    models: tuple[ModelSpec, ...] = ()
    teams: tuple[TeamEntry, ...] = ()
    keys: tuple[KeyEntry, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    evals: EvalsSection = EvalsSection()
    master_key: Secret | None = None
    references: tuple[Reference, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "error")

    def check(self, environ: Mapping[str, str]) -> list[Finding]:
        """All findings by line, with a warning for each reference to a variable that is not set."""
        unset = [
            Finding(
                reference.line,
                reference.path,
                "warning",
                f"the environment variable {reference.name} is not set",
            )
            for reference in self.references
            if not environ.get(reference.name)
        ]
        return sorted([*self.findings, *unset])

    def resolve(self, environ: Mapping[str, str]) -> Resolved:
        """Look up the variables that keys and settings refer to; models keep their references.

        Raises:
            ConfigRefused: The file has errors, a variable is not set, or a value cannot be.
        """
        errors = list(self.errors)
        settings: dict[str, Any] = {}
        for name, given in self.settings.items():
            try:
                settings[name] = setting(name, vault.resolve_references(given.value, environ))
            except (InvalidField, Misconfigured) as error:
                errors.append(_error(given, error))
        keys: dict[str, tuple[KeyEntry, str]] = {}
        master_key: str | None = None
        taken: dict[str, str] = {}
        if self.master_key:
            try:
                master_key = _strong(self.master_key.text, "master_key", environ)
                taken[vault.hash_key(master_key)] = self.master_key.path
            except GatewayError as error:
                errors.append(_error(self.master_key, error))
        for entry in self.keys:
            try:
                hashed, hint = _identity(entry, environ)
                if hashed in taken:
                    raise InvalidField(f"is the same key as {taken[hashed]}")
            except GatewayError as error:
                errors.append(_error(entry.secret or entry, error))
            else:
                taken[hashed] = entry.path
                keys[hashed] = (entry, hint)
        if errors:
            raise ConfigRefused(sorted(errors))
        return Resolved(keys, settings, master_key)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a file says of keys and settings, once its references are looked up.

    Attributes:
        keys: Each key and its hint by the hash of its secret.
        settings: By their names in CallSettings.
        master_key: In plain text.
    """

    keys: Mapping[str, tuple[KeyEntry, str]]
    settings: Mapping[str, Any]
    master_key: str | None = field(repr=False)


def _strong(text: str, name: str, environ: Mapping[str, str]) -> str:
    secret = str(vault.resolve_references(text, environ))
    vault.check_strength(secret, name)
    return secret


def _identity(entry: KeyEntry, environ: Mapping[str, str]) -> tuple[str, str]:
    """The hash and hint of a key."""
    if entry.secret is None:
        return str(entry.secret_hash), _HINT_OF_HASH
    secret = _strong(entry.secret.text, "key", environ)
    return vault.hash_key(secret), vault.hint(secret)


def _error(at: Setting | Secret | KeyEntry, error: GatewayError) -> Finding:
    return Finding(at.line, at.path, "error", error.message)
