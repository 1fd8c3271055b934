import { Button } from "../../components/button";
import { Copy } from "../../components/copy";
import { Progress } from "../../components/progress";
import { Failure } from "../../components/states";
import { useNumber } from "../../components/usage";
import { useWords } from "../../lib/i18n";
import { useSingle } from "../../lib/keys";
import type { TaskResult, Work } from "../../lib/task";
import { told } from "../../lib/told";
import { NOTES } from "./told";
import { WORDS } from "./words";

interface GoProps {
  name: string;
  running: boolean;
  disabled: boolean;
  onGo: () => void;
  onStop: () => void;
}

/** The button that starts a task, and while it runs the one that stops it. */
export function Go({ name, running, disabled, onGo, onStop }: GoProps) {
  const t = useWords(WORDS);
  const single = useSingle();
  if (running)
    return (
      <Button kind="danger" icon="stop" onClick={single(onStop)}>
        {t.stop}
      </Button>
    );
  return (
    <Button kind="primary" disabled={disabled} label={t.keys} onClick={single(onGo)}>
      {name}
    </Button>
  );
}

/** How the task goes or went: progress, the failure, what it took and what was done to the text. */
export function Outcome<R extends TaskResult>({ work, again }: { work: Work<R>; again?: () => void }) {
  const t = useWords(WORDS);
  const { progress, result } = work;
  if (work.error) return <Failure error={work.error} again={again} />;
  if (work.state === "running") {
    const label =
      progress && progress.total > 1
        ? t.progress(Math.min(progress.done + 1, progress.total), progress.total)
        : t.working;
    return <Progress label={label} done={progress?.done} total={progress?.total} />;
  }
  if (work.state === "stopped") return <p class="warn small">{t.stopped}</p>;
  return result && <Spent result={result} />;
}

function Spent({ result }: { result: TaskResult }) {
  const t = useWords(WORDS);
  const number = useNumber();
  const { prompt_tokens, completion_tokens } = result.usage;
  return (
    <div class="small soft n">
      <p>
        {t.used(number(prompt_tokens), number(completion_tokens), number(result.seconds))}
        {(result.pieces ?? 1) > 1 && ` · ${t.pieces(result.pieces ?? 1)}`}
        {result.finish_reason === "length" && <span class="warn"> · {t.length}</span>}
      </p>
      {!!result.notes?.length && (
        <ul class="notes" aria-label={t.notes}>
          {result.notes.map((note) => (
            <li key={note}>{told(note, NOTES)}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

interface SheetProps {
  title: string;
  label?: string;
  work: Work<TaskResult>;
  nothing: string;
  mono?: boolean;
  lang?: string;
}

/** What a task has written so far, under its title; `nothing` stands there before. */
export function Sheet({ title, label = title, work, nothing, mono, lang }: SheetProps) {
  const running = work.state === "running";
  return (
    <>
      <div class="row apart side-head">
        <h2>{title}</h2>
        {work.text && !running && <Copy text={work.text} />}
      </div>
      <div
        class={mono ? "sheet text mono" : "sheet text"}
        lang={lang}
        role="region"
        aria-label={label}
        aria-live="polite"
        aria-busy={running}
        tabIndex={0}
      >
        {work.text || <span class="soft">{nothing}</span>}
      </div>
    </>
  );
}
