/** As `/api/runs` sends them. */
export type State = "running" | "done" | "failed" | "stopped" | "interrupted";

export interface RunSummary {
  run: string;
  kind: string;
  model: string;
  state: State;
  message: string;
  started: number;
  finished: number | null;
  can_stop: boolean;
  can_resume: boolean;
  step: number | null;
  steps: number | null;
  loss: number | null;
  joules: number | null;
}

export interface StepPoint {
  step: number;
  loss: number | null;
  tokens: number | null;
  tokens_per_second: number | null;
  joules: number | null;
}

export interface EvalPoint {
  step: number;
  valid_loss: number | null;
  bits_per_byte: number | null;
  samples: string[];
}

export interface Score {
  name: string;
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
  missing: number;
  chance: number | null;
  signature: string;
}

export interface Curves {
  steps: StepPoint[];
  evals: EvalPoint[];
}

export interface RunDetail extends RunSummary {
  recipe: Record<string, unknown>;
  result: Record<string, unknown>;
  scores: Score[];
  run_version: string;
  curves: Curves;
  points: number;
  cursor: string;
  words: string;
}

export interface Points extends Curves {
  run: RunSummary;
  cursor: string;
  anew: boolean;
}
