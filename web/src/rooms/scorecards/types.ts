/** As `/api/scorecards` and `/api/leaderboard` send them. */
export interface CardCell {
  section: string;
  name: string;
  value: number | string | null;
  unit: string;
  low: number | null;
  high: number | null;
  n: number;
  missing: number;
  chance: number | null;
  better: string;
  kind: string;
  source: string;
  date: string;
  note: Record<string, string>;
  at_chance: boolean;
}

export interface Card {
  model: string;
  precision: string;
  date: string;
  cells: CardCell[];
}

export interface CardsOut {
  sections: Record<string, { zh: string; en: string }>;
  cards: Card[];
}

export interface BoardRow {
  model: string;
  value: number;
  shown: string;
  unit: string;
  low: number | null;
  high: number | null;
  n: number | null;
  missing: number;
  chance: number | null;
  rank_best: number | null;
  rank_worst: number | null;
  could_be_first: boolean | null;
  run: string | null;
  date: string;
  title: string;
  source: string;
}

export interface BoardTable {
  task: string;
  dataset: string;
  subset: string;
  metric: string;
  signature: string;
  better: "higher" | "lower" | "neither";
  level: number;
  apart: string[];
  cautions: string[];
  rows: BoardRow[];
}
