"""Several processes on one database, and processes that are killed while they write."""

import random
import signal
import time

import sqlalchemy as sa

from sibao.store import database, runs
from sibao.store.rows import rows_of

WRITER = """
import sys
from sibao.core.types import Score
from sibao.store.rows import ResultRow, add_rows
from sibao.store.runs import add_scores, create_run, finish_run
for n in range(int(sys.argv[1])):
    run = create_run("evaluate", sys.argv[2], {"n": n})
    add_scores(run, [Score("bleu", float(n))])
    add_rows(run, [ResultRow(i, "答" * 50) for i in range(100)])
    finish_run(run, result={"n": n})
    print(run, flush=True)
"""
COUNTER = """
import sys
import sqlalchemy as sa
from sibao.store import database
from sibao.store.tables import RUNS
for _ in range(50):
    with database.writing() as c:
        value = c.execute(sa.select(RUNS.c.started).where(RUNS.c.id == sys.argv[1]).with_for_update()).scalar_one()
        c.execute(sa.update(RUNS).where(RUNS.c.id == sys.argv[1]).values(started=value + 1))
"""


def test_concurrent_writers(store: str, start) -> None:
    processes = [start(WRITER, "20", f"m{n}") for n in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert len(out.split()) == 20
    everything = runs.list_runs()
    assert len(everything) == 40 and {run.status for run in everything} == {"done"}
    assert len(runs.list_runs(model="m0")) == 20
    assert all(len(list(rows_of(run.id))) == 100 and len(runs.scores_of(run.id)) == 1 for run in everything)


def test_no_update_is_lost_between_processes(store: str, start) -> None:
    run = runs.create_run("evaluate", "m", {})
    before = runs.get_run(run).started
    processes = [start(COUNTER, run) for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert runs.get_run(run).started == before + 100


def test_readers_do_not_wait_for_a_writer(store: str) -> None:
    run = runs.create_run("evaluate", "m", {})
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE runs SET model = 'other'"))
        began = time.perf_counter()
        assert runs.get_run(run).model == "m"
        assert time.perf_counter() - began < database.BUSY_SECONDS / 2
    assert runs.get_run(run).model == "other"


def test_a_killed_writer_leaves_a_readable_database(store: str, start) -> None:
    rng, promised = random.Random(20250101), []
    for _ in range(4):
        process = start(WRITER, "100000", "m")
        assert process.stdout is not None
        promised.append(process.stdout.readline().strip())
        time.sleep(rng.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        promised += process.stdout.read().split("\n")[:-1]
    if store == "sqlite":
        with database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    for run in promised:  # what was reported as written is there, all of it
        assert runs.get_run(run).status == "done" and len(list(rows_of(run))) == 100
    for run in runs.list_runs():  # what was cut off is there in whole transactions
        assert len(list(rows_of(run.id))) in (0, 100)
    assert runs.create_run("evaluate", "after", {})
