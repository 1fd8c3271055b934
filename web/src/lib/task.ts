import { useRef, useState } from "preact/hooks";
import { paced } from "./answer";
import { asError, isAbort, stream, type ApiError } from "./api";
import { used } from "./status";

/** What every task gives; each adds fields of its own. */
export interface TaskResult {
  text: string;
  finish_reason: string;
  usage: { prompt_tokens: number; completion_tokens: number };
  seconds: number;
  notes?: string[];
  pieces?: number;
}

export interface Work<R extends TaskResult> {
  state: "none" | "running" | "done" | "stopped" | "failed";
  text: string;
  progress: { done: number; total: number } | null;
  result: R | null;
  error: ApiError | null;
}

interface Event<R> {
  delta?: string;
  progress?: { done: number; total: number };
  result?: R;
}

const NOTHING = { state: "none", text: "", progress: null, result: null, error: null } as const;

/** One task at a time at `/v1/tasks/<name>`: its text as it grows, its progress, its result. */
export function useTask<R extends TaskResult>(name: string) {
  const [work, setWork] = useState<Work<R>>(NOTHING);
  const control = useRef<AbortController | null>(null);
  const start = async (fields: Record<string, unknown>) => {
    control.current?.abort();
    const mine = new AbortController();
    control.current = mine;
    const show = paced((next: Work<R>) => control.current === mine && setWork(next));
    show.now(await follow<R>(`/v1/tasks/${name}`, filled(fields), mine.signal, show.soon));
    used(fields.model);
  };
  const stop = () => control.current?.abort();
  const clear = () => {
    stop();
    control.current = null;
    setWork(NOTHING);
  };
  return { work, start, stop, clear, running: work.state === "running" };
}

async function follow<R extends TaskResult>(
  path: string,
  body: unknown,
  signal: AbortSignal,
  show: (work: Work<R>) => void,
): Promise<Work<R>> {
  let work: Work<R> = { ...NOTHING, state: "running" };
  show(work);
  try {
    for await (const event of stream<Event<R>>(path, body, signal)) {
      if (event.delta) work = { ...work, text: work.text + event.delta };
      if (event.progress) work = { ...work, progress: event.progress };
      if (event.result) work = { ...work, text: event.result.text, result: event.result as R };
      show(work);
    }
    return { ...work, state: "done" };
  } catch (fault) {
    return isAbort(fault) ? { ...work, state: "stopped" } : { ...work, state: "failed", error: asError(fault) };
  }
}

function filled(fields: Record<string, unknown>): Record<string, unknown> {
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== "");
  return { ...Object.fromEntries(given), stream: true };
}
