import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Check, NumberField, Select, TextArea, TextField } from "../../components/field";
import { get, isAbort } from "../../lib/api";
import { useWords } from "../../lib/i18n";
import { FIGURES, TASK_NAMES, WORDS } from "./words";
import { TASKS, WEIGHTS, type Form, type Need } from "./types";

export interface Part {
  form: Form;
  set: (part: Partial<Form>) => void;
}

export const EMPTY: Form = {
  need: "",
  task: null,
  to: null,
  text: "",
  text_name: "rows.jsonl",
  models: [],
  limits: {
    budget: null,
    max_latency: null,
    max_memory: null,
    max_size: null,
    licences: [],
    offline: false,
    languages: [],
    allow_unknown: false,
  },
  weights: {},
  max_cost: null,
  limit: null,
  max_tokens: null,
};

const PAUSE_MS = 400;

/** What the words say, a moment after the last key. */
function useNeed(text: string): Need | null {
  const [need, setNeed] = useState<Need | null>(null);
  useEffect(() => {
    if (!text.trim()) return setNeed(null);
    const stop = new AbortController();
    const timer = setTimeout(() => {
      get<Need>(`/api/choose/need?text=${encodeURIComponent(text)}`, stop.signal)
        .then(setNeed)
        .catch((fault: unknown) => isAbort(fault) || setNeed(null)); // the start says what is wrong
    }, PAUSE_MS);
    return () => (stop.abort(), clearTimeout(timer));
  }, [text]);
  return need;
}

export function WorkFields({ form, set }: Part) {
  const t = useWords(WORDS);
  const names: Record<string, string> = useWords(TASK_NAMES);
  const need = useNeed(form.need);
  const told = need && (need.task === "unclear" ? t.untold : t.told(names[need.task] ?? need.task));
  const tasks = [{ value: "", label: t.byItself }, ...TASKS.map((task) => ({ value: task, label: names[task] ?? task }))];
  const tongues = [
    { value: "", label: t.asRows },
    { value: "zh", label: "中文" },
    { value: "en", label: "English" },
  ];
  return (
    <fieldset class="card">
      <legend class="unseen">{t.work}</legend>
      <h2>{t.work}</h2>
      <TextArea label={t.need} rows={2} placeholder={t.needHint} value={form.need} hint={told ?? undefined} onInput={(need) => set({ need })} />
      <div class="grid-fields">
        <Select label={t.task} value={form.task ?? ""} options={tasks} onChange={(task) => set({ task: (task || null) as Form["task"] })} />
        {(form.task === "translate" || need?.task === "translate") && (
          <Select label={t.to} value={form.to ?? ""} options={tongues} onChange={(to) => set({ to: (to || null) as Form["to"] })} />
        )}
      </div>
    </fieldset>
  );
}

export function LimitFields({ form, set }: Part) {
  const t = useWords(WORDS);
  const { limits } = form;
  const limit = (part: Partial<Form["limits"]>) => set({ limits: { ...limits, ...part } });
  const tongue = (code: string, known: boolean) =>
    limit({ languages: known ? [...limits.languages, code] : limits.languages.filter((one) => one !== code) });
  const licences = [
    { value: "", label: t.anyLicence },
    { value: "commercial", label: t.commercial },
  ];
  return (
    <Folded title={t.limits}>
      <div class="grid-fields">
        <TextField label={t.maxMemory} placeholder="4GB" value={limits.max_memory ?? ""} onInput={(text) => limit({ max_memory: text.trim() || null })} />
        <TextField label={t.maxSize} placeholder="500M, 8B, 2GB" value={limits.max_size ?? ""} onInput={(text) => limit({ max_size: text.trim() || null })} />
        <NumberField label={t.maxLatency} min={0} value={limits.max_latency} onInput={(max_latency) => limit({ max_latency })} />
        <NumberField label={t.budget} min={0} value={limits.budget} onInput={(budget) => limit({ budget })} />
        <Select label={t.licence} value={limits.licences[0] ?? ""} options={licences} onChange={(one) => limit({ licences: one ? [one] : [] })} />
      </div>
      <div class="row">
        <Check label={t.offline} value={limits.offline} onChange={(offline) => limit({ offline })} />
        <Check label={t.zh} value={limits.languages.includes("zh")} onChange={(known) => tongue("zh", known)} />
        <Check label={t.en} value={limits.languages.includes("en")} onChange={(known) => tongue("en", known)} />
        <Check label={t.unknown} value={limits.allow_unknown} onChange={(allow_unknown) => limit({ allow_unknown })} />
      </div>
    </Folded>
  );
}

export function WeightFields({ form, set }: Part) {
  const t = useWords(WORDS);
  const names = useWords(FIGURES);
  const weigh = (name: (typeof WEIGHTS)[number], weight: number | null) => {
    const { [name]: _, ...others } = form.weights;
    set({ weights: weight === null ? others : { ...others, [name]: weight } });
  };
  return (
    <Folded title={t.weights}>
      <p class="small soft">{t.weightsHint}</p>
      <div class="grid-fields narrow">
        {WEIGHTS.map((name) => (
          <NumberField key={name} label={names[name]} min={0} value={form.weights[name] ?? null} onInput={(weight) => weigh(name, weight)} />
        ))}
      </div>
    </Folded>
  );
}

export function RaceFields({ form, set }: Part) {
  const t = useWords(WORDS);
  return (
    <Folded title={t.race}>
      <div class="grid-fields">
        <NumberField label={t.limit} min={1} step={1} value={form.limit} onInput={(limit) => set({ limit })} />
        <NumberField label={t.maxTokens} min={1} step={1} value={form.max_tokens} onInput={(max_tokens) => set({ max_tokens })} />
        <NumberField label={t.maxCost} min={0} value={form.max_cost} onInput={(max_cost) => set({ max_cost })} />
      </div>
    </Folded>
  );
}

function Folded({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <details class="card">
      <summary>{title}</summary>
      <div class="stack">{children}</div>
    </details>
  );
}
