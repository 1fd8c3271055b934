import { useState } from "preact/hooks";
import { Facts } from "../../components/facts";
import { Select } from "../../components/field";
import { Empty, Failure, Loading } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { useAsk } from "../../lib/ask";
import { language, useWords, words } from "../../lib/i18n";
import { figure } from "../../lib/numbers";
import { told, type Forms } from "../../lib/told";
import { useValue } from "../../lib/value";
import { Figure } from "../../plots/figure";
import { Intervals, type Bar } from "../../plots/intervals";
import type { Card, CardCell, CardsOut } from "./types";

const WORDS = words({
  en: {
    model: "Model",
    none: "Nothing was measured of this model yet",
    how: "Run sibao evaluate or sibao scorecard; what they find appears here.",
    date: (day: string) => `newest figure: ${day}`,
    chance: "│ guessing",
    atChance: "no better than guessing",
    figure: "Figure",
    value: "Value",
    interval: "Interval",
    rows: "Rows",
    source: "Source",
    day: "Date",
    intervals: (section: string) => `${section}: figures with their intervals`,
  },
  zh: {
    model: "模型",
    none: "这个模型还没有测量结果",
    how: "运行 sibao evaluate 或 sibao scorecard，结果会出现在这里。",
    date: (day: string) => `最新结果：${day}`,
    chance: "│ 随机猜测",
    atChance: "不优于随机猜测",
    figure: "指标",
    value: "数值",
    interval: "区间",
    rows: "行数",
    source: "来源",
    day: "日期",
    intervals: (section: string) => `${section}：各指标及其区间`,
  },
});

const UNITS: Forms = [
  [/^tokens\/s$/, "词元/秒"],
  [/^J\/token$/, "焦/词元"],
  [/^per token$/, "每词元"],
  [/^(.*) for a million tokens$/, "$1，每百万词元"],
];

const nameOf = (card: Card) => (card.precision === "auto" ? card.model : `${card.model} (${card.precision})`);

/** One model's card at a time. */
export function Cards({ active }: { active: boolean }) {
  const t = useWords(WORDS);
  const tongue = useValue(language);
  const { found, fault, again } = useAsk<CardsOut>("/api/scorecards", active);
  const [chosen, setChosen] = useState("");
  if (fault && !found) return <Failure error={fault} again={again} />;
  if (!found) return <Loading />;
  const card = found.cards.find((one) => nameOf(one) === chosen) ?? found.cards[0];
  if (!card) return <Empty title={t.none}>{t.how}</Empty>;
  const options = found.cards.map((one) => ({ value: nameOf(one), label: nameOf(one) }));
  const sections = Object.entries(found.sections).filter(([id]) => id !== "facts");
  const measured = sections.filter(([id]) => card.cells.some((cell) => cell.section === id));
  return (
    <div class="stack">
      <div class="two">
        <Select label={t.model} value={nameOf(card)} onChange={setChosen} options={options} />
        {card.date && <p class="soft below-label">{t.date(card.date)}</p>}
      </div>
      <CardFacts card={card} />
      {!measured.length && <Empty title={t.none}>{t.how}</Empty>}
      {measured.map(([id, title]) => (
        <Section key={id} title={title[tongue]} cells={card.cells.filter((cell) => cell.section === id)} />
      ))}
    </div>
  );
}

const FACTS = words({
  en: {
    architecture: "Architecture",
    parameters: "Parameters",
    "active parameters": "Active parameters",
    "size of the weight files": "Weight files",
    context: "Context",
    licence: "Licence",
    languages: "Languages",
  },
  zh: {
    architecture: "架构",
    parameters: "参数量",
    "active parameters": "激活参数",
    "size of the weight files": "权重文件",
    context: "上下文",
    licence: "许可",
    languages: "语言",
  },
});

function CardFacts({ card }: { card: Card }) {
  const names: Record<string, string> = useWords(FACTS);
  const facts = card.cells.filter((cell) => cell.section === "facts");
  if (!facts.length) return null;
  const shown = (value: CardCell["value"]) => (typeof value === "number" ? figure(value) : value);
  return <Facts facts={facts.map((cell) => [names[cell.name] ?? cell.name, shown(cell.value), cell.source] as const)} />;
}

/** Shares are drawn on one axis from 0 to 1; figures on other scales each need an axis of their own. */
function Section({ title, cells }: { title: string; cells: readonly CardCell[] }) {
  const t = useWords(WORDS);
  const tongue = useValue(language);
  const numbers = cells.filter((cell) => typeof cell.value === "number");
  const isShare = (cell: CardCell) => [cell.value, cell.low, cell.high].every((v) => v === null || (Number(v) >= 0 && Number(v) <= 1));
  const shares = numbers.filter(isShare);
  const others = numbers.filter((cell) => !isShare(cell));
  const notes = [...new Set(cells.map((cell) => cell.note[tongue] ?? "").filter(Boolean))];
  const bars = (some: readonly CardCell[]) => some.map((cell) => barOf(cell, cell.at_chance ? t.atChance : ""));
  return (
    <Figure
      title={title}
      plot={
        <>
          {shares.length > 0 && <Intervals bars={bars(shares)} label={t.intervals(title)} ends={[0, 1]} chanceName={t.chance} />}
          {others.map((cell) => (
            <Intervals key={cell.name} bars={bars([cell])} label={cell.name} chanceName={t.chance} />
          ))}
        </>
      }
      table={<CellTable title={title} cells={cells} />}
    >
      {notes.map((note) => (
        <p key={note} class="small warn">
          {note}
        </p>
      ))}
    </Figure>
  );
}

function barOf(cell: CardCell, remark: string): Bar {
  const { name, low, high, chance, n, source, date } = cell;
  const unit = told(cell.unit, UNITS);
  const title = [unit, n ? `n = ${n}` : "", source, date].filter(Boolean).join(" · ");
  return { id: name, name, value: Number(cell.value), low, high, chance, remark: [unit, remark].filter(Boolean).join(" "), title };
}

function written({ value, unit }: CardCell): string {
  return `${typeof value === "number" ? figure(value) : value} ${told(unit, UNITS)}`;
}

function CellTable({ title, cells }: { title: string; cells: readonly CardCell[] }) {
  const t = useWords(WORDS);
  const columns: Column<CardCell>[] = [
    { id: "name", name: t.figure, show: (cell) => cell.name, key: (cell) => cell.name },
    { id: "value", name: t.value, number: true, show: written },
    { id: "interval", name: t.interval, number: true, show: (cell) => (cell.low === null ? "" : `${figure(cell.low)} … ${figure(cell.high)}`) },
    { id: "rows", name: t.rows, number: true, show: (cell) => (cell.n ? cell.n + (cell.missing ? ` (+${cell.missing})` : "") : "") },
    { id: "source", name: t.source, show: (cell) => cell.source },
    { id: "day", name: t.day, show: (cell) => cell.date, key: (cell) => cell.date },
  ];
  return <Table columns={columns} rows={cells} id={(cell) => cell.name} caption={title} />;
}
