import { useEffect } from "preact/hooks";
import { Empty, Failure, Loading } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { useAsk } from "../../lib/ask";
import { useWords } from "../../lib/i18n";
import { duration, figure, moment, whole } from "../../lib/numbers";
import { go, href } from "../../lib/route";
import { StateBadge } from "./state";
import type { RunSummary } from "./types";
import { KINDS, WORDS } from "./words";

const LOOK_MS = 3000;

/** All runs, looked at again while one of them runs. */
export function List({ active }: { active: boolean }) {
  const t = useWords(WORDS);
  const kinds: Record<string, string> = useWords(KINDS);
  const { found, fault, again } = useAsk<{ runs: RunSummary[] }>("/api/runs?limit=100", active);
  const running = found?.runs.some((one) => one.state === "running") ?? false;
  useEffect(() => {
    if (!active || !running) return undefined;
    const timer = setInterval(again, LOOK_MS);
    return () => clearInterval(timer);
  }, [active, running, again]);
  if (fault && !found) return <Failure error={fault} again={again} />;
  if (!found) return <Loading />;
  if (!found.runs.length) return <Empty title={t.none}>{t.how}</Empty>;
  const columns: Column<RunSummary>[] = [
    { id: "run", name: t.run, show: (one) => <a href={href("runs", one.run)}>{one.run}</a>, key: (one) => one.run, descending: true },
    { id: "state", name: t.state, show: (one) => <StateBadge state={one.state} />, key: (one) => one.state },
    { id: "kind", name: t.kind, show: (one) => kinds[one.kind] ?? one.kind, key: (one) => one.kind },
    { id: "model", name: t.model, show: (one) => <span class="run-model">{one.model}</span>, key: (one) => one.model },
    { id: "steps", name: t.steps, number: true, show: steps, key: (one) => one.step },
    { id: "loss", name: t.loss, number: true, show: (one) => (one.loss === null ? "" : figure(one.loss)), key: (one) => one.loss },
    {
      id: "started",
      name: t.started,
      show: (one) => <span class="n day">{moment(one.started)}</span>,
      key: (one) => one.started,
      descending: true,
    },
    { id: "took", name: t.took, number: true, show: (one) => (one.finished ? duration(one.finished - one.started) : ""), key: (one) => one.finished && one.finished - one.started },
  ];
  return <Table columns={columns} rows={found.runs} id={(one) => one.run} caption={t.caption} onPick={(one) => go("runs", one.run)} />;
}

const steps = (one: RunSummary) => (one.step === null ? "" : one.steps ? `${whole(one.step)} / ${whole(one.steps)}` : whole(one.step));
