/** As `/api/data` sends it. */
export interface Amount {
  documents: number;
  characters: number;
  bytes: number;
  tokens: number | null;
  tokens_per_character: number | null;
}

export interface BadRow {
  line: number;
  field: string;
  message: string;
  hint: string;
}

export interface DataRow {
  line: number;
  kind: string;
  values: Record<string, { text: string; left_out: number }>;
}

export interface DataField {
  name: string;
  rows: number;
  types: string[];
}

export interface DataLook extends Amount {
  name: string;
  form: string;
  compression: string;
  size: number;
  tokenizer: string | null;
  rows: number;
  kinds: Record<string, number>;
  languages: Record<string, Amount>;
  duplicates: { exact: number; near: number };
  bad_rows: number;
  bad: BadRow[];
  looked_at: number;
  fields: DataField[];
  sample: DataRow[];
  seconds: number;
}
