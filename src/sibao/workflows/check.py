"""``sibao check``: the proof that a model is the same everywhere.

Files that must agree, tokens that carry loss, training's prompts against inference's, weights against the config, and
one prompt (an encoder: one text) on every back end. What disagrees is a failed finding with its reason; nothing is
changed or fetched beyond the model itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sibao.core.errors import BadInput, ModelError, SibaoError, UnknownName
from sibao.core.progress import progress
from sibao.models.compressed import KEY as QUANTIZATION
from sibao.models.compressed import form_of
from sibao.models.folder import is_family, read_config
from sibao.models.names import resolve
from sibao.models.weights import read_json
from sibao.providers._encoder import EncoderModel
from sibao.providers._seq2seq import Seq2SeqModel
from sibao.providers.load import load
from sibao.providers.local import LocalModel
from sibao.providers.transformers import TransformersModel
from sibao.text.tokenizer import Tokenizer
from sibao.workflows import _check_foreign as foreign
from sibao.workflows import _check_samples as samples_
from sibao.workflows import _check_transformers as transformers_
from sibao.workflows import _check_weights as weights
from sibao.workflows._check_compare import config_finding, tokenizer_finding
from sibao.workflows._check_files import file_findings, rope_findings
from sibao.workflows._check_kinds import kind_findings
from sibao.workflows._check_replay import Answers, network_of
from sibao.workflows._check_server import Server
from sibao.workflows._check_show import CheckReport
from sibao.workflows._check_states import Readings, refuse_server
from sibao.workflows._check_tokens import token_findings
from sibao.workflows._check_types import Finding, Found, Subject, guarded

SMALL = 1_000_000_000
"""Parameters up to which other rotary bases are tried: each is one more reading of the text."""


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

    @property
    def servers(self) -> list[str]:
        """The URLs among what to compare with."""
        return [url for url in (self.url, self.against) if url and "://" in url]

    @property
    def folder(self) -> str | None:
        """The other model's name, if ``against`` is one."""
        return None if self.against is None or "://" in self.against else self.against


def check(name: str, options: Options | None = None) -> CheckReport:
    """Look at everything. A check that breaks on the model is a failed finding, never an exception.

    Raises:
        BadInput: no such model, a URL that is none or that such a model cannot be asked through, or data that cannot
            be read.
        UnknownName: a finding to accept that there is not.
    """
    options = options or Options()
    if ":" in name and not Path(name).exists():
        hint = "name mini, a folder, or org/name; a server goes to --url"
        raise BadInput(f"{name!r} has no files to look at", hint=hint)
    source = resolve(name)
    if options.folder:
        resolve(options.folder)  # a mistyped name is told before the work
    servers = [Server(url) for url in options.servers]
    checked = CheckReport(name)
    subject = Subject(name, source.folder, source.adapter)
    with progress(4, "check", unit="part", quiet=options.quiet) as bar:
        _files(subject, checked)
        if servers and subject.kind == "encoder":
            refuse_server(name, subject.shape.head if subject.shape is not None else foreign.head_of(subject))
        bar.advance()
        _tokens(subject, checked, options)
        bar.advance()
        model = _weights(subject, checked)
        bar.advance()
        if reason := foreign.unreplayed(model):
            checked.not_checked.append(reason)
        elif model is not None:
            checked.findings += guarded("replay", _taken(_replays(subject, model, servers, checked, options), checked))
        elif options.url or options.against:
            checked.not_checked.append("--url and --against: this model does not run here, so nothing can be compared")
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
            checked.not_checked.append(f"this engine: it has no family {name!r}; what follows runs in Transformers")
            if transformers_.installed():
                checked.kind = subject.foreign = foreign.foreign_kind(subject.folder)
                subject.is_foreign = True
            return
        subject.family, subject.shape = read_config(subject.folder)
        checked.kind = subject.kind
        yield Finding("config", "ok", f"{subject.family}, every key is understood")
        if (form := form_of(subject.config, str(subject.folder))) is not None:
            checked.not_checked.append(
                f"rounding of activations: of {form} the weights that the codes stand for are checked"
            )

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
    checked.findings += guarded("tokens", kind_findings(subject, tokenizer))
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
    if subject.shape is None and (not subject.is_foreign):
        checked.not_checked.append("weights and logits: no network for this config.json")
        return None
    loaded: list[Any] = []

    def read() -> Iterator[Finding]:
        precision = "fp32" if QUANTIZATION in subject.config else "auto"
        loaded.append(load(subject.name, precision=precision, device="cpu"))  # its network is looked into here
        yield weights.weight_finding(subject, network_of(loaded[0]))

    if subject.shape is not None:
        checked.findings += guarded("tied_weights", weights.header_findings(subject))
    checked.findings += guarded("weights", read())
    if not loaded:
        checked.not_checked.append("logits: the weights cannot be loaded")
        return None
    if subject.shape is not None and subject.kind == "decoder" and subject.tokenizer is not None:
        network = network_of(loaded[0])
        if sum(p.numel() for p in network.parameters()) <= SMALL:
            checked.findings += guarded("rope_evidence", weights.rope_evidence(network, subject.tokenizer))
        elif getattr(network.config, "positions", None) == "rope":
            checked.not_checked.append("whether another rotary base fits better: the model is large (use --against)")
    return loaded[0]


def _taken(found: Iterator[Found], checked: CheckReport) -> Iterator[Finding]:
    """The findings; what the back ends answered goes into the report."""
    for finding, backend in found:
        if backend is not None:
            checked.backends.append(backend)
        yield finding


def _replays(
    subject: Subject, model: Any, servers: Sequence[Server], checked: CheckReport, options: Options
) -> Iterator[Found]:
    """The model beside every back end that is there."""
    replay: Answers | Readings
    if isinstance(model, TransformersModel):
        replay = foreign.foreign_replay(subject, model, options.tokens)
    elif isinstance(model, EncoderModel):
        replay = Readings(model, subject.folder)
    else:
        replay = Answers(model, options.tokens)
    if isinstance(replay, Readings):
        checked.not_checked.append("greedy answers: an encoder writes nothing; its states or logits are compared")
    if replay.first is not None:
        checked.backends.append(replay.first)
    yield from replay.alone()
    if subject.shape is not None and transformers_.installed():
        try:
            yield replay.with_transformers(subject)
        except ModelError as error:
            yield Finding("transformers", "fail", error.message, "a model that both can load", error.hint), None
    for server in servers:
        try:
            yield from replay.with_server(server)
        except SibaoError as error:
            yield Finding("server", "fail", error.message, "an answer", error.hint), None
    if options.folder:
        yield from _against(options.folder, model, replay)


def _against(name: str, model: Any, replay: Answers | Readings) -> Iterator[Found]:
    """Another folder: its config, its tokenizer, and what it computes from the same token ids."""
    other: Any = load(name, device="cpu")
    if not isinstance(other, LocalModel | Seq2SeqModel | EncoderModel):
        raise BadInput(f"{name!r} does not run in this process", hint="--against takes a folder, org/name or a URL")
    yield config_finding(network_of(model).config, network_of(other).config), None
    yield tokenizer_finding(model.tokenizer, other.tokenizer), None
    if type(other) is type(model):
        yield replay.with_model(other)


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
