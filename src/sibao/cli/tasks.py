"""``sibao generate | translate | answer | summarize | describe``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sibao.cli._flags import FileOption, TaskFlags, Tongue, example, new_group, with_task_flags
from sibao.cli._form import Choices, Grammar, JsonSchema, Regex, response_format
from sibao.cli._show import failure, head, note, print_json, write

if TYPE_CHECKING:
    from sibao.tasks.base import TaskResult
    from sibao.workflows.jobs import Job

app = new_group()
Texts = Annotated[
    list[str] | None, typer.Argument(help="Text; several are done one by one; - reads standard input.", metavar="TEXT")
]


@app.command(
    epilog=example(
        "sibao generate '春天' --form poem --style 五言 --temperature 0.8 --seed 1",
        "sibao generate '这家店的面很好吃。' --choices 正面,负面",
        """sibao generate 'Name a poet.' --json-schema '{"type":"object","properties":{"name":{"type":"string"}}}'""",
    )
)
@with_task_flags
def generate(
    flags: TaskFlags,
    text: Texts = None,
    form: Annotated[str, typer.Option(help="Form of writing: poem, code, script, music or story.")] = "",
    style: Annotated[str, typer.Option(help="Style of the form: 五言, 七言, 词, a tune's name, verse ...")] = "",
    language: Annotated[
        Tongue | None, typer.Option(help="Language of the instruction (default: that of the text).")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Continue the text as it stands, without the chat template.")
    ] = False,
    json_schema: JsonSchema = None,
    regex: Regex = None,
    grammar: Grammar = None,
    choices: Choices = None,
    file: FileOption = None,
) -> None:
    """Write: go on from a text, follow an instruction, or in a form."""
    from sibao.core.config import settings

    chosen = settings().language if language is None and settings().language != "auto" else language or ""
    shape = response_format(json_schema, regex, grammar, choices)
    own = {"form": form, "style": style, "language": chosen}
    _run("generate", flags, text, file, "prompt", options={"raw": raw, "response_format": shape}, **own)


@app.command(epilog=example("sibao translate '我喜欢读书。' --to en", "sibao translate --file letter.txt --to zh"))
@with_task_flags
def translate(
    flags: TaskFlags,
    text: Texts = None,
    to: Annotated[Tongue | None, typer.Option(help="Language wanted (default: the one the text is not in).")] = None,
    source: Annotated[
        Tongue | None, typer.Option("--from", help="Language of the text (default: the other one).")
    ] = None,
    file: FileOption = None,
) -> None:
    """Translate between Chinese and English, texts of any length."""
    _run("translate", flags, text, file, "text", to=to or "", source=source or "")


@app.command(epilog=example("sibao answer '谁改进了造纸术？' --context '蔡伦改进了造纸术。'"))
@with_task_flags
def answer(
    flags: TaskFlags,
    question: Annotated[
        list[str] | None, typer.Argument(help="Question; several share one passage.", metavar="QUESTION")
    ] = None,
    context: Annotated[str | None, typer.Option(help="The passage; - reads standard input.")] = None,
    file: FileOption = None,
) -> None:
    """Answer questions from a passage of any length.

    The passage is given as --context TEXT or --file FILE; a data file holds both questions and passages."""
    from sibao.core.errors import BadInput
    from sibao.workflows.inputs import one_source, read_inputs

    files = file or []
    if (context is None) == (not files):
        raise BadInput("wanted one passage: either --context TEXT or --file FILE")
    questions = one_source(question or [], files)
    work = _job("answer", flags)
    if context is not None:
        passage = one_source([context], [q for q in question or [] if q == "-"])[0]
        many = [work.task.inputs(question=q, context=passage) for q in questions]
    else:
        values = [{"question": q} for q in questions] or [{}]
        many = [inputs for value in values for inputs in read_inputs(work.task, files, **value)]
    _show("answer", work, many, flags)


@app.command(epilog=example("sibao summarize report.txt", "curl -s https://example.com/a.txt | sibao summarize -"))
@with_task_flags
def summarize(
    flags: TaskFlags,
    path: Annotated[list[str] | None, typer.Argument(help="File; - reads standard input.", metavar="FILE")] = None,
    file: FileOption = None,
) -> None:
    """Summarize files of any length, each in its own language."""
    _run("summarize", flags, [], [*(path or []), *(file or [])], "text")


@app.command(
    epilog=example(
        "sibao describe panda.png --question '图里是什么动物？' --model transformers:FOLDER",
        "sibao describe --video walk.mp4 --to en --model org/name",
    )
)
@with_task_flags
def describe(
    flags: TaskFlags,
    image: Annotated[
        list[str] | None, typer.Argument(help="Picture; several are described one by one.", metavar="IMAGE")
    ] = None,
    video: Annotated[str, typer.Option(metavar="FILE", help="A film: some frames of it are looked at.")] = "",
    frames: Annotated[int, typer.Option(min=1, max=256, help="How many frames of the film.")] = 8,
    question: Annotated[str, typer.Option(help="Answer this instead of describing.")] = "",
    to: Annotated[
        Tongue | None, typer.Option(help="Language of the answer (default: that of the question, else English).")
    ] = None,
    together: Annotated[bool, typer.Option("--together", help="One answer about all pictures and the film.")] = False,
    file: FileOption = None,
) -> None:
    """Describe pictures or a film, or answer a question about them; needs a model that sees."""
    from sibao.core.config import settings
    from sibao.core.errors import BadInput
    from sibao.workflows.inputs import read_inputs

    images = image or []
    if not images and not video and not file:
        raise BadInput("no picture was given", hint="name an image file, --video FILE, or a data file with --file")
    work = _job("describe", flags)
    language = to or (settings().language if settings().language != "auto" and not question else "")
    own = {"question": question, "to": language}
    if together:
        many = [work.task.inputs(images=tuple(images), video=video, frames=frames, **own)]
    else:
        many = [work.task.inputs(images=(one,), **own) for one in images]
        many += [work.task.inputs(video=video, frames=frames, **own)] if video else []
    rows = [str(path) for path in file or []]
    _show("describe", work, many + read_inputs(work.task, rows, **own), flags)


def _run(
    task: str,
    flags: TaskFlags,
    texts: list[str] | None,
    files: list[str] | None,
    field: str,
    *,
    options: dict[str, Any] | None = None,
    **values: Any,
) -> None:
    """Texts and files to inputs, inputs to results, results to the screen."""
    from sibao.workflows.inputs import one_source, read_inputs

    given = one_source(texts or [], files or [])
    work = _job(task, flags, **(options or {}))
    many = [work.task.inputs(**{field: text}, **values) for text in given]
    _show(task, work, many + read_inputs(work.task, files or [], **values), flags)


def _job(task: str, flags: TaskFlags, **options: Any) -> Job:
    """The task on the model that was asked for."""
    from sibao.workflows.api import load
    from sibao.workflows.jobs import job

    return job(task, load(flags.model, **flags.loading()), **options, **flags.sampling())


def _show(command: str, work: Job, many: list[Any], flags: TaskFlags) -> None:
    """JSON when asked for; one text streamed; several one after another."""
    if len(many) != 1:
        _show_several(command, work, many, flags)
    elif flags.json:
        print_json({**head(command, work.model.name), **work.run(many)[0].to_json()})
    else:
        result = work.stream(many[0], write)
        write("" if result.text.endswith("\n") else "\n")
        write_others(result)
        remark(result)
    remark_guesses(work, flags)


def _show_several(command: str, work: Job, many: list[Any], flags: TaskFlags) -> None:
    """Results in order; those that failed are told in their places, and by the exit code."""
    from sibao.core.errors import SibaoError

    found = work.each(many)
    failed = [one for one in found if isinstance(one, SibaoError)]
    if failed and len(failed) == len(found):
        raise failed[0]
    if flags.json:
        print_json({**head(command, work.model.name), "results": [one.to_json() for one in found]})
    for number, one in enumerate(() if flags.json else found, start=1):
        if isinstance(one, SibaoError):
            failure(f"text {number}: {one.message}", one.hint)
            continue
        write(one.text + "\n")
        write_others(one)
        remark(one)
    if failed:
        note(f"{len(failed)} of {len(found)} texts failed")
        remark_guesses(work, flags)
        raise typer.Exit(failed[0].exit_code)


def write_others(result: TaskResult) -> None:
    """The next best texts of a search, one after another below the best."""
    for other in result.fields.get("others", ()):
        write(other["text"] + "\n")


def remark_guesses(work: Job, flags: TaskFlags) -> None:
    """How good the draft model was, where one was named."""
    guessed, right = getattr(work.model, "guesses", (0, 0))
    if flags.draft is not None:
        share = f" ({right / guessed:.0%})" if guessed else ""
        note(f"note: {flags.draft} guessed {guessed} tokens ahead, {right} of them right{share}")


def remark(result: TaskResult) -> None:
    """What a reader should know besides the text."""
    from sibao.core.types import BROKEN_OFF

    note(*(f"note: {line}" for line in result.notes))
    if result.finish_reason == "length" and not result.notes:
        note(f"note: stopped after {result.usage.completion_tokens} new tokens; --max-tokens allows more")
    if result.finish_reason in BROKEN_OFF:
        note("note: this is no whole answer: the model failed, or a filter of its provider stopped it")
    if not result.text.strip():
        note(
            "note: the model gave no text" if "start" not in result.fields else "note: the passage does not answer this"
        )
    check = result.fields.get("check")
    note(*(f"form: {problem}" for problem in (check or {}).get("problems", [])))
