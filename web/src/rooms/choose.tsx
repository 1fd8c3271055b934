import { useState } from "preact/hooks";
import { Button } from "../components/button";
import { Failure } from "../components/states";
import { asError, post, type ApiError } from "../lib/api";
import { language, useWords } from "../lib/i18n";
import { href } from "../lib/route";
import { JobView } from "./choose/job";
import { ModelFields, useEntrants } from "./choose/models";
import { EMPTY, LimitFields, RaceFields, WeightFields, WorkFields } from "./choose/form";
import { RowFields } from "./choose/rows";
import { Outcome } from "./choose/outcome";
import { failed, inForm } from "./choose/told";
import type { Form } from "./choose/types";
import { useJob } from "./choose/watch";
import { WORDS } from "./choose/words";
import type { RoomProps } from "./room";

/** Which model for this work: hard limits, a race on one's own rows, the pick and how sure it is. */
export function Choose({ active }: RoomProps) {
  const t = useWords(WORDS);
  const [form, setForm] = useState<Form>(EMPTY);
  const [fault, setFault] = useState<ApiError | null>(null);
  const [sending, setSending] = useState(false);
  const { job, lost, take, leave, cancel } = useJob(active);
  const entrants = useEntrants(active, form, (models) => setForm((now) => ({ ...now, models })));
  const set = (part: Partial<Form>) => setForm((now) => ({ ...now, ...part }));
  const ready = form.need.trim() !== "" || form.text.trim() !== "";
  const busy = job?.state === "queued" || job?.state === "running";
  const start = async (event: Event) => {
    event.preventDefault();
    setFault(null);
    leave();
    setSending(true);
    try {
      take((await post<{ job: string }>("/api/choose", { ...form, language: language.get() })).job);
    } catch (error) {
      setFault(asError(error));
    }
    setSending(false);
  };
  return (
    <div class="stack">
      <form class="stack" onSubmit={(event) => void start(event)}>
        <div class="two">
          <div class="stack">
            <WorkFields form={form} set={set} />
            <RowFields form={form} set={set} />
          </div>
          <div class="stack">
            <ModelFields form={form} set={set} offered={entrants} />
            <LimitFields form={form} set={set} />
            <WeightFields form={form} set={set} />
            <RaceFields form={form} set={set} />
          </div>
        </div>
        <div class="row">
          <Button type="submit" kind="primary" disabled={sending || busy || !ready}>
            {form.text.trim() ? t.start : t.advise}
          </Button>
          {busy && (
            <Button icon="stop" onClick={cancel}>
              {t.cancel}
            </Button>
          )}
        </div>
      </form>
      {fault && <Failure error={inForm(fault)} />}
      {lost && (
        <p class="warn" role="status">
          {t.lost} <a href={href("runs")}>{t.runs}</a>
        </p>
      )}
      {job && <JobView job={job} />}
      {job?.failure && <Failure error={failed(job.failure)} />}
      {job?.result && <Outcome result={job.result} />}
    </div>
  );
}
