import { useState } from "preact/hooks";
import { Facts } from "../../components/facts";
import { Failure, Loading } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { useWords } from "../../lib/i18n";
import { duration, energy, figure, moment, whole } from "../../lib/numbers";
import { href } from "../../lib/route";
import { Controls } from "./controls";
import { Plots } from "./curves";
import { useFollowed } from "./follow";
import { StateBadge } from "./state";
import type { RunDetail, Score } from "./types";
import { KINDS, WORDS } from "./words";

/** One run: how it stands, its curves, what it was made from. */
export function Run({ id, active }: { id: string; active: boolean }) {
  const t = useWords(WORDS);
  const { run, fault, again } = useFollowed(id, active);
  return (
    <div class="stack" data-run={id}>
      <a class="back" href={href("runs")}>
        ← {t.all}
      </a>
      {fault && !run && <Failure error={fault} again={again} />}
      {fault && run && (
        <p class="warn" role="status">
          {t.lost}
        </p>
      )}
      {!fault && !run && <Loading />}
      {run && <Shown run={run} again={again} />}
    </div>
  );
}

function Shown({ run, again }: { run: RunDetail; again: () => void }) {
  const t = useWords(WORDS);
  return (
    <>
      <div class="row apart">
        <h2 class="row">
          {run.model} <StateBadge state={run.state} />
        </h2>
        <Controls run={run} again={again} />
      </div>
      {run.message && <p class="bad text">{run.message}</p>}
      <RunFacts run={run} />
      {run.words && <Json title={t.words} text={run.words} open />}
      <Plots run={run} />
      {run.scores.length > 0 && <Scores scores={run.scores} />}
      <Json title={t.recipe} text={JSON.stringify(run.recipe, null, 2)} />
      {Object.keys(run.result).length > 0 && <Json title={t.result} text={JSON.stringify(run.result, null, 2)} />}
    </>
  );
}

function RunFacts({ run }: { run: RunDetail }) {
  const t = useWords(WORDS);
  const kinds: Record<string, string> = useWords(KINDS);
  const last = run.curves.steps.at(-1);
  const steps = run.step === null ? "" : run.steps ? `${whole(run.step)} / ${whole(run.steps)}` : whole(run.step);
  return (
    <Facts
      facts={[
        [t.run, <code>{run.run}</code>],
        [t.kind, kinds[run.kind] ?? run.kind],
        [t.steps, steps],
        [t.loss, run.loss === null ? "" : figure(run.loss)],
        [t.energy, run.joules === null ? "" : energy(run.joules)],
        [t.tokens, last?.tokens ? whole(last.tokens) : ""],
        [t.speed, last?.tokens_per_second ? t.perSecond(whole(last.tokens_per_second)) : ""],
        [t.started, moment(run.started)],
        [t.took, run.finished ? duration(run.finished - run.started) : ""],
        [t.version, run.run_version],
      ]}
    />
  );
}

function Scores({ scores }: { scores: readonly Score[] }) {
  const t = useWords(WORDS);
  const columns: Column<Score>[] = [
    { id: "name", name: t.score, show: (one) => one.name, key: (one) => one.name },
    { id: "value", name: t.value, number: true, show: (one) => figure(one.value), key: (one) => one.value },
    { id: "interval", name: t.interval, number: true, show: (one) => (one.low === null ? "" : `${figure(one.low)} … ${figure(one.high)}`) },
    { id: "rows", name: t.rows, number: true, show: (one) => one.n + (one.missing ? ` (+${one.missing})` : "") },
    { id: "signature", name: t.signature, show: (one) => <code class="small">{one.signature}</code> },
  ];
  return <Table columns={columns} rows={scores} id={(one) => one.name + one.signature} caption={t.scores} />;
}

/** Text that is looked at now and then. */
function Json({ title, text, open = false }: { title: string; text: string; open?: boolean }) {
  const [shown, setShown] = useState(open);
  return (
    <details open={shown} onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>{title}</summary>
      <pre class="code" tabIndex={0}>
        {text}
      </pre>
    </details>
  );
}
