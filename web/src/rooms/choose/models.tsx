import { useEffect } from "preact/hooks";
import { Button } from "../../components/button";
import { Select } from "../../components/field";
import { Failure } from "../../components/states";
import { useAsk, type Asked } from "../../lib/ask";
import { useWords } from "../../lib/i18n";
import type { Part } from "./form";
import { PRECISIONS, type Candidate, type Entrant, type Form } from "./types";
import { WORDS } from "./words";

const MOST = 8;
type Offered = Asked<{ candidates: Candidate[] }>;

/** What may be chosen among; two of them are entered at first: two that are known by name, else one in two precisions. */
export function useEntrants(active: boolean, form: Form, enter: (models: Entrant[]) => void): Offered {
  const offered = useAsk<{ candidates: Candidate[] }>("/api/choose/candidates", active);
  useEffect(() => {
    const [first, second] = offered.found?.candidates.filter((one) => one.here && one.origin !== "run") ?? [];
    if (!first || form.models.length) return;
    enter([{ name: first.name, precision: "auto" }, second ? { name: second.name, precision: "auto" } : { name: first.name, precision: "int8" }]);
  }, [offered.found]);
  return offered;
}

export function ModelFields({ form, set, offered }: Part & { offered: Offered }) {
  const t = useWords(WORDS);
  const known = offered.found?.candidates ?? [];
  const change = (place: number, part: Partial<Entrant>) =>
    set({ models: form.models.map((one, at) => (at === place ? { ...one, ...part } : one)) });
  const about = (one: Candidate) =>
    one.origin === "run" ? t.trained(one.about) : one.remote ? t.hosted : one.here ? "" : t.away;
  const names = known.map((one) => ({ value: one.name, label: [one.name, about(one)].filter(Boolean).join(" · ") }));
  const forms = PRECISIONS.map((one) => ({ value: one, label: one }));
  return (
    <fieldset class="card">
      <legend class="unseen">{t.models}</legend>
      <h2>{t.models}</h2>
      {offered.fault && <Failure error={offered.fault} again={offered.again} />}
      <div class="candidates">
        {form.models.map((one, place) => (
          <div key={place} class="candidate">
            <Select label={t.model} quiet value={one.name} options={names} onChange={(name) => change(place, { name })} />
            <Select label={t.precision} quiet value={one.precision} options={forms} onChange={(precision) => change(place, { precision })} />
            <Button icon="close" kind="plain" label={t.remove} onClick={() => set({ models: form.models.filter((_, at) => at !== place) })} />
          </div>
        ))}
      </div>
      <div class="row">
        <Button
          icon="plus"
          disabled={!known[0] || form.models.length >= MOST}
          onClick={() => set({ models: [...form.models, { name: known[0]?.name ?? "", precision: "auto" }] })}
        >
          {t.add}
        </Button>
      </div>
    </fieldset>
  );
}
