import { useState } from "preact/hooks";
import { Button } from "../../components/button";
import { Check, TextField } from "../../components/field";
import { Empty, Failure, Loading } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { useAsk } from "../../lib/ask";
import { language, useWords, words } from "../../lib/i18n";
import { figure, percent } from "../../lib/numbers";
import { useValue } from "../../lib/value";
import { Figure } from "../../plots/figure";
import { Intervals } from "../../plots/intervals";
import type { BoardRow, BoardTable } from "./types";

const WORDS = words({
  en: {
    search: "Model, suite, data or metric",
    own: "Only my own evaluations",
    none: "No results yet",
    how: "sibao evaluate records them; sibao leaderboard --import FILE brings in those of others.",
    noMatch: "No table has all of these words.",
    more: (left: number) => `Show more (${left})`,
    higher: "more is better",
    lower: "less is better",
    neither: "neither more nor less is better",
    ranks: (level: string) => `Ranks are all that a model could truly have, at ${level} for the whole table. Who could be first is in red.`,
    chance: "│ guessing",
    rank: "Rank",
    model: "Model",
    value: "Value",
    interval: "Interval",
    rows: "Rows",
    from: "From",
    day: "Date",
    unknown: "rank ?",
    place: (ranks: string) => `rank ${ranks}`,
  },
  zh: {
    search: "模型、套件、数据或指标",
    own: "只看自己的评测",
    none: "还没有结果",
    how: "sibao evaluate 会记录结果；sibao leaderboard --import FILE 可导入他人的结果。",
    noMatch: "没有表同时含有这些词。",
    more: (left: number) => `显示更多（${left}）`,
    higher: "越高越好",
    lower: "越低越好",
    neither: "不以高低论优劣",
    ranks: (level: string) => `名次是模型可能真正占据的所有名次，整张表的置信度为 ${level}。可能居首者标为红色。`,
    chance: "│ 随机猜测",
    rank: "名次",
    model: "模型",
    value: "数值",
    interval: "区间",
    rows: "行数",
    from: "出处",
    day: "日期",
    unknown: "名次不详",
    place: (ranks: string) => `第 ${ranks} 名`,
  },
});
const AT_ONCE = 8;

/** Every table of figures that may be compared; those with several models first. */
export function Boards({ active }: { active: boolean }) {
  const t = useWords(WORDS);
  const tongue = useValue(language);
  const [own, setOwn] = useState(false);
  const [search, setSearch] = useState("");
  const [most, setMost] = useState(AT_ONCE);
  const { found, fault, again } = useAsk<{ tables: BoardTable[] }>(`/api/leaderboard?own=${own}&language=${tongue}`, active);
  if (fault && !found) return <Failure error={fault} again={again} />;
  if (!found) return <Loading />;
  const tables = found.tables.filter((table) => has(table, search)).sort((a, b) => Number(b.rows.length > 1) - Number(a.rows.length > 1));
  return (
    <div class="stack">
      <div class="two">
        <TextField label={t.search} type="search" value={search} onInput={setSearch} />
        <div class="below-label">
          <Check label={t.own} value={own} onChange={setOwn} />
        </div>
      </div>
      {!found.tables.length && <Empty title={t.none}>{t.how}</Empty>}
      {found.tables.length > 0 && !tables.length && <Empty title={t.noMatch} />}
      {tables.slice(0, most).map((table) => (
        <Board key={`${table.task}|${table.dataset}|${table.subset}|${table.metric}|${table.signature}`} table={table} />
      ))}
      {tables.length > most && <Button onClick={() => setMost(most + AT_ONCE)}>{t.more(tables.length - most)}</Button>}
    </div>
  );
}

function has(table: BoardTable, search: string): boolean {
  const text = [table.task, table.dataset, table.subset, table.metric, ...table.rows.map((row) => row.model)].join(" ").toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function Board({ table }: { table: BoardTable }) {
  const t = useWords(WORDS);
  const names = [table.dataset.startsWith(table.task) ? "" : table.task, table.dataset, table.subset, table.metric];
  const title = names.filter(Boolean).join(" · ");
  const alone = table.rows.length === 1;
  const bars = table.rows.map((row, place) => ({
    id: String(place),
    name: row.model,
    value: row.value,
    low: row.low,
    high: row.high,
    chance: row.chance,
    strong: !alone && row.could_be_first === true,
    remark: alone ? "" : row.rank_best === null ? t.unknown : t.place(ranks(row)),
    title: [row.n ? `n = ${row.n}` : "", row.title || row.source, row.date].filter(Boolean).join(" · "),
  }));
  return (
    <Figure
      title={title}
      plot={<Intervals bars={bars} label={title} chanceName={t.chance} />}
      table={<Rows title={title} rows={table.rows} />}
    >
      <p class="small soft">
        {t[table.better]}
        {table.better === "neither" || alone ? "" : ` · ${t.ranks(percent(table.level))}`}
      </p>
      {[...table.apart, ...table.cautions].map((remark) => (
        <p key={remark} class="small warn">
          {remark}
        </p>
      ))}
    </Figure>
  );
}

const ranks = (row: BoardRow) => (row.rank_best === row.rank_worst ? `${row.rank_best}` : `${row.rank_best}–${row.rank_worst}`);

function Rows({ title, rows }: { title: string; rows: readonly BoardRow[] }) {
  const t = useWords(WORDS);
  const columns: Column<BoardRow>[] = [
    { id: "rank", name: t.rank, number: true, show: (row) => (row.rank_best === null ? "?" : ranks(row)), key: (row) => row.rank_best },
    { id: "model", name: t.model, show: (row) => row.model, key: (row) => row.model },
    { id: "value", name: t.value, number: true, show: (row) => row.shown || `${figure(row.value)}${row.unit}`, key: (row) => row.value, descending: true },
    { id: "interval", name: t.interval, number: true, show: (row) => (row.low === null ? "" : `${figure(row.low)} … ${figure(row.high)}`) },
    { id: "rows", name: t.rows, number: true, show: (row) => (row.n === null ? "" : row.n + (row.missing ? ` (+${row.missing})` : "")), key: (row) => row.n },
    { id: "from", name: t.from, show: (row) => row.title || row.source },
    { id: "day", name: t.day, show: (row) => row.date, key: (row) => row.date },
  ];
  return <Table columns={columns} rows={rows} id={(row) => `${row.model}|${row.source}|${row.value}`} caption={title} />;
}
