import { useState } from "preact/hooks";
import { Button } from "../../components/button";
import { NumberField } from "../../components/field";
import { toast } from "../../components/toast";
import { asError, post, type ApiError } from "../../lib/api";
import { useWords } from "../../lib/i18n";
import type { RunDetail } from "./types";
import { WORDS } from "./words";

/** Stop with a checkpoint, or go on from the newest one. */
export function Controls({ run, again }: { run: RunDetail; again: () => void }) {
  const t = useWords(WORDS);
  const [steps, setSteps] = useState<number | null>(null);
  const [asked, setAsked] = useState(false);
  const [fault, setFault] = useState<ApiError | null>(null);
  // a run that was not stopped may go on from an earlier step, which the server knows
  const least = run.state === "stopped" ? (run.step ?? 0) + 1 : 1;
  const send = async (verb: "stop" | "resume", body: unknown, said: string) => {
    setAsked(true);
    try {
      await post(`/api/runs/${run.run}/${verb}`, body);
      setFault(null);
      toast(said);
      if (verb === "resume") again();
    } catch (error) {
      setFault(asError(error));
    }
    setAsked(false);
  };
  if (!run.can_stop && !run.can_resume && !fault) return null;
  return (
    <div class="row">
      {run.can_stop && (
        <Button icon="stop" kind="danger" label={t.stopHint} disabled={asked} onClick={() => void send("stop", {}, t.stopping)}>
          {t.stop}
        </Button>
      )}
      {run.can_resume && (
        <form class="row" onSubmit={(event) => (event.preventDefault(), void send("resume", { steps }, t.resuming))}>
          <NumberField
            label={t.stepsInAll}
            quiet
            value={steps}
            min={least}
            step={1}
            placeholder={String(run.steps ?? t.stepsInAll)}
            onInput={setSteps}
          />
          <Button type="submit" icon="again" kind="primary" disabled={asked}>
            {t.resume}
          </Button>
        </form>
      )}
      {fault && (
        <p class="bad" role="alert">
          {fault.message}
        </p>
      )}
    </div>
  );
}
