"""``sibao check``: the proof that a model is the same everywhere.

Files that must agree, tokens that carry loss, training's prompts against inference's, weights against the config, and
one prompt answered on every back end. What disagrees is a failed finding with its reason; nothing is changed or fetched
beyond the model itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sibao.core.errors import BadInput, SibaoError, UnknownName
from sibao.core.progress import progress
from sibao.models.folder import NETWORKS, is_family, read_config
from sibao.models.names import resolve
from sibao.models.weights import read_json
from sibao.text.tokenizer import Tokenizer
from sibao.workflows import _check_replay as replay
from sibao.workflows import _check_samples as samples_
from sibao.workflows import _check_transformers as transformers_
from sibao.workflows import _check_weights as weights
from sibao.workflows._check_files import file_findings, rope_findings
from sibao.workflows._check_server import Server, with_server
from sibao.workflows._check_show import report
from sibao.workflows._check_tokens import PROBES, token_findings
from sibao.workflows._check_types import Backend, Finding, Kind, Sample, Subject, guarded

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sibao.providers.local import LocalModel

KINDS: dict[str, Kind] = {"Decoder": "decoder", "Encoder": "encoder", "Seq2Seq": "encoder-decoder"}
"""What each network is, by the name of its class."""
SMALL = 1_000_000_000
"""Parameters up to which other rotary bases are tried: each is one more reading of the text."""


@dataclass
class CheckReport:
    """All that was found about one model."""

    model: str
    kind: Kind = "unknown"
    findings: list[Finding] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    backends: list[Backend] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    tokenizer: Tokenizer | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing disagrees."""
        return all(finding.status != "fail" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The check object of the JSON contract."""
        return {
            "ok": self.ok,
            "kind": self.kind,
            "findings": [asdict(f) for f in self.findings],
            "samples": [{"source": s.source, "tokens": self._tokens(s)} for s in self.samples],
            "backends": [asdict(b) for b in self.backends],
            "not_checked": self.not_checked,
        }

    def _tokens(self, sample: Sample) -> list[dict[str, Any]]:
        if self.tokenizer is None:
            return []
        name = self.tokenizer.backend.id_to_token
        pairs = zip(sample.ids, sample.mask, strict=True)
        return [{"id": i, "token": name(i), "loss": bool(loss)} for i, loss in pairs]

    def render(self) -> RenderableType:
        """For a terminal."""
        title = f"{self.model}: {self.kind}"
        return report(title, self.tokenizer, self.samples, self.findings, self.backends, self.not_checked)


@dataclass(frozen=True)
class Options:
    """How to check.

    Args:
        data: files whose first ``rows`` rows are rendered too, through ``task`` or the task their form asks for.
        url: a server that should run the same model. against: a folder, hub name or URL that should be the same model.
        tokens: length of the answer that is replayed. accept: names of findings that may fail without failing the whole.
    """

    data: tuple[str, ...] = ()
    task: str | None = None
    rows: int = 3
    url: str | None = None
    against: str | None = None
    tokens: int = 16
    accept: tuple[str, ...] = ()
    quiet: bool = False


def check(name: str, options: Options | None = None) -> CheckReport:
    """Look at everything. A check that breaks on the model is a failed finding, never an exception.

    Raises:
        BadInput: no such model, a URL that is none, or data that cannot be read.
        UnknownName: a finding to accept that there is not.
    """
    options = options or Options()
    if ":" in name and not Path(name).exists():
        raise BadInput(
            f"{name!r} has no files to look at", hint="name mini, a folder, or org/name; a server goes to --url"
        )
    source = resolve(name)
    if options.against and "://" not in options.against:
        resolve(options.against)  # a mistyped name is told before the work
    servers = [Server(url) for url in (options.url, options.against) if url and "://" in url]
    checked = CheckReport(name)
    subject = Subject(name, source.folder, source.adapter)
    with progress(4, "check", unit="part", quiet=options.quiet) as bar:
        _files(subject, checked)
        bar.advance()
        _tokens(subject, checked, options)
        bar.advance()
        model = _weights(subject, checked)
        bar.advance()
        _replays(subject, model, servers, checked, options)
        bar.advance()
    _accept(checked, options.accept)
    return checked


def _files(subject: Subject, checked: CheckReport) -> None:
    """Read the small files into the subject."""

    def read() -> Iterator[Finding]:
        subject.config = read_json(subject.folder / "config.json")
        path = subject.folder / "generation_config.json"
        subject.generation = read_json(path) if path.is_file() else {}
        yield from rope_findings(subject.config)
        name = subject.config.get("model_type")
        if isinstance(name, str) and not is_family(name):
            checked.not_checked.append(f"this engine: it has no family {name!r} (transformers:NAME may run it)")
            return
        subject.family, subject.shape = read_config(subject.folder)
        subject.kind = checked.kind = KINDS.get(NETWORKS[type(subject.shape)].__name__, "unknown")
        yield Finding("config", "ok", f"{subject.family}, every key is understood")

    def tokenizer() -> Iterator[Finding]:
        subject.tokenizer = checked.tokenizer = Tokenizer.load(subject.folder)
        yield from ()

    checked.findings += guarded("config", read())
    checked.findings += guarded("tokenizer", tokenizer())


def _tokens(subject: Subject, checked: CheckReport, options: Options) -> None:
    """Everything that needs the tokenizer but no weights."""
    tokenizer = subject.tokenizer
    if tokenizer is None:
        checked.not_checked.append("tokens, template and loss: the tokenizer cannot be read")
        return
    checked.findings += guarded("files", file_findings(subject, tokenizer))
    checked.findings += guarded("tokens", token_findings(subject, tokenizer))
    if subject.kind in ("decoder", "unknown"):
        checked.findings += guarded("template", samples_.template_findings(subject, tokenizer))
        checked.findings += guarded("loss_mask", _sampled(tokenizer, checked, options))
    else:
        checked.not_checked.append(f"template and loss mask: an {subject.kind} answers no messages")
    if transformers_.installed():
        checked.findings += guarded("transformers_tokens", transformers_.tokenizer_findings(subject, tokenizer))
    else:
        checked.not_checked.append("Transformers: not installed (pip install 'sibao[hf]')")


def _sampled(tokenizer: Tokenizer, checked: CheckReport, options: Options) -> Iterator[Finding]:
    if options.data:
        checked.samples += samples_.data_samples(tokenizer, options.data, options.task, options.rows)
    checked.samples[:0] = samples_.built_in_samples(tokenizer)
    yield from samples_.sample_findings(tokenizer, checked.samples)


def _weights(subject: Subject, checked: CheckReport) -> Any:
    """The loaded model, or None where it cannot be."""
    if subject.shape is None:
        checked.not_checked.append("weights and logits: no network for this config.json")
        return None
    loaded: list[Any] = []

    def load() -> Iterator[Finding]:
        loaded.append(weights.load_subject(subject))
        yield weights.weight_finding(subject, getattr(getattr(loaded[0], "engine", None), "model", loaded[0]))

    checked.findings += guarded("tied_weights", weights.header_findings(subject))
    checked.findings += guarded("weights", load())
    model = loaded[0] if loaded else None
    if model is not None and subject.kind == "decoder" and subject.tokenizer is not None:
        network = model.engine.model
        if sum(p.numel() for p in network.parameters()) <= SMALL:
            checked.findings += guarded("rope_evidence", weights.rope_evidence(network, subject.tokenizer))
        elif getattr(network.config, "positions", None) == "rope":
            checked.not_checked.append("whether another rotary base fits better: the model is large (use --against)")
    return model


def _replays(subject: Subject, model: Any, servers: Sequence[Server], checked: CheckReport, options: Options) -> None:
    if model is None:
        if subject.shape is not None:
            checked.not_checked.append("logits: the weights cannot be loaded")
    elif subject.kind != "decoder":
        _replay_other(subject, model, checked)
        if servers or options.against:
            checked.not_checked.append(
                f"--url and --against: they compare models that continue text, this is an {subject.kind}"
            )
    else:
        found = _replay(subject, model, servers, checked, options)
        checked.findings += guarded("replay", _taken(found, checked))


def _taken(found: Iterator[replay.Found], checked: CheckReport) -> Iterator[Finding]:
    """The findings; what the back ends answered goes into the report."""
    for finding, backend in found:
        if backend is not None:
            checked.backends.append(backend)
        yield finding


def _replay_other(subject: Subject, network: Any, checked: CheckReport) -> None:
    checked.not_checked.append(f"greedy answers: this is an {subject.kind}; its logits are compared instead")
    if transformers_.installed() and subject.tokenizer is not None:
        texts = [PROBES["Chinese"]]
        found = iter([replay.with_architecture(subject, network, subject.tokenizer, texts)])
        checked.findings += guarded("transformers", _taken(found, checked))


def _replay(
    subject: Subject, model: LocalModel, servers: Sequence[Server], checked: CheckReport, options: Options
) -> Iterator[replay.Found]:
    asked = replay.question(model, options.tokens)
    base = replay.uncached(model, asked)
    text = model.tokenizer.decode(base.tokens, skip_special=False)
    checked.backends.append(Backend(replay.UNCACHED, base.tokens, text))
    yield replay.with_cache(model, asked, base)
    if transformers_.installed():
        yield replay.with_transformers(subject, model, asked, base)
    for server in servers:
        try:
            yield from with_server(server, model, asked, base)
        except SibaoError as error:
            yield Finding("server", "fail", error.message, "an answer", error.hint), None
    if options.against and "://" not in options.against:
        yield from _against(options.against, subject, model, asked, base)


def _against(
    name: str, subject: Subject, model: LocalModel, asked: replay.Question, base: replay.Trace
) -> Iterator[replay.Found]:
    from sibao.providers.load import load

    other: Any = load(name)
    if not hasattr(other, "engine"):
        raise BadInput(f"{name!r} does not run in this process", hint="--against takes a folder, org/name or a URL")
    yield from replay.with_model(other, subject.shape, model, asked, base)


def _accept(checked: CheckReport, names: Sequence[str]) -> None:
    """Failures that the user knows of become warnings."""
    known = {finding.name for finding in checked.findings}
    for name in names:
        if name not in known:
            raise UnknownName("finding", name, known)
    checked.findings = [
        replace(f, status="warn", hint=f"accepted; {f.hint}") if f.name in names and f.status == "fail" else f
        for f in checked.findings
    ]
