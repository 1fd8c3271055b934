/** As `/api/choose` takes and sends them. */
export type Precision = "auto" | "fp32" | "bf16" | "fp16" | "int8" | "int4";
export const PRECISIONS: readonly Precision[] = ["auto", "fp32", "bf16", "int8", "int4"];
export const TASKS = ["generate", "translate", "answer", "summarize", "describe"] as const;
export type Task = (typeof TASKS)[number];
export const WEIGHTS = ["quality", "cost", "latency", "speed", "memory", "parameters", "energy"] as const;
export type Criterion = (typeof WEIGHTS)[number];

export interface Candidate {
  name: string;
  origin: "catalogue" | "run" | "served";
  about: string;
  here: boolean;
  remote: boolean;
  parameters: number | null;
  licence: string;
}

export interface Entrant {
  name: string;
  precision: Precision;
}

export interface Form {
  need: string;
  task: Task | null;
  to: "zh" | "en" | null;
  text: string;
  text_name: string;
  models: Entrant[];
  limits: {
    budget: number | null;
    max_latency: number | null;
    max_memory: string | null;
    max_size: string | null;
    licences: string[];
    offline: boolean;
    languages: string[];
    allow_unknown: boolean;
  };
  weights: Partial<Record<Criterion, number>>;
  max_cost: number | null;
  limit: number | null;
  max_tokens: number | null;
}

export interface Need {
  task: string;
  why: string;
  to: "zh" | "en" | null;
}

export interface Cell {
  value: number | string | boolean | string[] | null;
  unit: string;
  source: string;
  date: string;
  kind: string;
  low: number | null;
  high: number | null;
}

export interface Lane {
  name: string;
  mean: number | null;
  low: number;
  high: number;
  n: number;
  missing: number;
  beaten: { winner: string; rows: number; difference: number } | null;
}

export interface Exclusion {
  name: string;
  limit: string;
  wanted: string;
  got: string;
  source: string;
  unknown: boolean;
}

export interface Result {
  run: string | null;
  task: string;
  metric: string;
  need: Need;
  pick: {
    name: string | null;
    by: "race" | "weights" | "only one left" | "nobody";
    verdict: "best" | "not distinguishable" | "not raced";
    rivals: string[];
    weights: Partial<Record<Criterion, number>>;
    unused: string[];
    front: string[];
    spans: Partial<Record<Criterion, { name: string; low: number; high: number }[]>>;
  };
  candidates: Record<string, Record<string, Cell>>;
  excluded: Exclusion[];
  race: { stopped: "one left" | "rows" | "budget"; rows: number; delta: number; tokens: number; full_tokens: number; lanes: Lane[] } | null;
  advice: { question: string; answer: string[] }[];
}

export interface Job {
  job: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  ahead: number;
  opening: string;
  lanes: { name: string; done: number; total: number }[];
  seconds: number;
  result: Result | null;
  failure: { type: string; message: string; hint: string } | null;
}
