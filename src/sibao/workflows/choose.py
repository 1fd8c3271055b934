"""``sibao choose``: limits, then a race on the user's rows, then a pick with its reasons; or, from a need, which task it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from sibao.choosing import advice as advising
from sibao.choosing.catalogue import Catalogue, catalogue
from sibao.choosing.need import Need
from sibao.choosing.pick import Pick, choose_pick
from sibao.core.errors import BadInput, SibaoError
from sibao.core.types import GenerateOptions, Language
from sibao.evaluation.budget import Purse
from sibao.store import runs
from sibao.tasks.base import load_task
from sibao.workflows._choose_ask import LEVEL, RACED_ON, Ask, Watch, unwatched
from sibao.workflows._choose_cells import limited, suggestions
from sibao.workflows._choose_entrant import Work
from sibao.workflows._choose_record import record
from sibao.workflows._choose_result import Choice
from sibao.workflows._choose_rows import language_of, need_of, read_rows
from sibao.workflows._choose_run import Lineup
from sibao.workflows.evaluate import items_of


def choose(
    ask: Ask, *, quiet: bool = False, today: date | None = None, watch: Watch = unwatched, purse: Purse | None = None
) -> Choice:
    """Choose among models. Bad rows, unknown metrics and weights are refused before any model is opened.

    Args:
        purse: what the race is paid from, for who wants to know what it spent however it ends.

    Raises:
        BadInput, DataError: rows, names, a task that cannot be told. ModelError: a model of this machine that is not here.
    """
    rows = read_rows(ask.data, ask.rows, ask.limit)
    need, language, known = need_of(ask.need, ask.task, rows), language_of(ask.need, ask.limits.languages), catalogue()
    choose_pick({}, None, ask.weights)  # refuses weights of nothing
    if not rows:
        return _advised(ask, need, known, language, today)
    if need.task == "unclear":
        raise BadInput(f"the task cannot be told: {need.why}", hint="name it with --task, or say more with --need")
    task = load_task(need.task)
    options = None if ask.max_tokens is None else GenerateOptions(max_tokens=ask.max_tokens)
    metric = ask.metric or RACED_ON.get(task.name, task.metrics[0])
    purse = purse or Purse(ask.plan.max_cost, ask.limits.currency)
    work = Work(task, items_of(task, rows, ask.to or need.to), metric, options, ask.batch, purse)
    work.values([])  # refuses a metric that cannot be raced on
    ask = ask if ask.candidates else replace(ask, candidates=suggestions(known, need.task))
    return _raced(
        ask,
        Choice(need, metric, {}, {}, [], Pick(None, "nobody", "not raced"), language=language),
        work,
        known,
        quiet,
        today,
        watch,
    )


def _advised(ask: Ask, need: Need, known: Catalogue, language: Language, today: date | None) -> Choice:
    """Without rows: the task, the guide's questions, and who would be out."""
    if not ask.need and ask.task is None:
        raise BadInput(
            "got neither rows nor a need",
            hint="sibao choose --data FILE --model A --model B, or sibao choose --need TEXT",
        )
    table, others, excluded = limited(ask.candidates, replace(ask.limits, max_latency=None, budget=None), known)
    metrics = () if need.task == "unclear" else load_task(need.task).metrics
    sections = advising.advice(need, metrics, known, ask.limits, language, today)
    pick = choose_pick(table, None, ask.weights) if len(table) == 1 else Pick(None, "nobody", "not raced")
    return Choice(need, "", table, others, excluded, pick, advice=sections, language=language)


def _raced(
    ask: Ask, empty: Choice, work: Work, known: Catalogue, quiet: bool, today: date | None, watch: Watch
) -> Choice:
    """With rows: limits, the race, the pick; recorded as a run of the store."""
    early = replace(ask.limits, max_latency=None, budget=None)  # these two are measured
    running = Lineup(ask, work, *limited(ask.candidates, early, known), watch=watch)
    run = runs.create_run(
        "choose", ", ".join(c.label for c in ask.candidates), ask.recipe(empty.need.task, work.metric)
    )
    try:
        result = running.run(ask.candidates, quiet=quiet, today=today or date.today())
        pick = choose_pick(running.table, result, ask.weights)
        done = replace(
            empty,
            table=running.table,
            others=running.others,
            excluded=running.excluded,
            pick=pick,
            race=result,
            run=run,
        )
        record(run, result, work, done.to_json(), LEVEL)
    except BaseException as error:
        runs.finish_run(run, "failed", message=error.message if isinstance(error, SibaoError) else repr(error))
        raise
    finally:
        running.close()
    return done
