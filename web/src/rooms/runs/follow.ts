import { useCallback, useEffect, useState } from "preact/hooks";
import { asError, get, isAbort, key, stream, type ApiError } from "../../lib/api";
import { useValue } from "../../lib/value";
import type { Points, RunDetail } from "./types";

const AGAIN_MS = 2000;

export interface Followed {
  run: RunDetail | null;
  fault: ApiError | null;
  again: () => void;
}

/** A run, and while it runs its new points as they come. A stream ends now and then, and is asked for again. */
export function useFollowed(id: string, active: boolean): Followed {
  const [run, setRun] = useState<RunDetail | null>(null);
  const [fault, setFault] = useState<ApiError | null>(null);
  const [turn, setTurn] = useState(0);
  const secret = useValue(key);
  const again = useCallback(() => setTurn((now) => now + 1), []);
  useEffect(() => {
    if (!active) return undefined;
    const stop = new AbortController();
    follow(id, (now) => (setRun(now), setFault(null)), stop.signal).catch(
      (error: unknown) => isAbort(error) || setFault(asError(error)),
    );
    return () => stop.abort();
  }, [id, active, turn, secret]);
  useEffect(() => {
    if (!fault || !run || !active) return undefined; // it was there before: the server may be back soon
    const timer = setTimeout(again, AGAIN_MS);
    return () => clearTimeout(timer);
  }, [fault, active]);
  return { run, fault, again };
}

async function follow(id: string, show: (run: RunDetail) => void, signal: AbortSignal): Promise<void> {
  const path = `/api/runs/${encodeURIComponent(id)}`;
  for (;;) {
    let run = await get<RunDetail>(path, signal);
    show(run);
    if (run.state !== "running") return;
    let anew = false;
    for await (const points of stream<Points>(`${path}/events?after=${run.cursor}`, undefined, signal)) {
      anew = points.anew;
      if (anew) break;
      show((run = joined(run, points)));
    }
  }
}

function joined(run: RunDetail, points: Points): RunDetail {
  const steps = [...run.curves.steps, ...points.steps];
  const evals = [...run.curves.evals, ...points.evals];
  return { ...run, ...points.run, cursor: points.cursor, points: run.points + points.steps.length, curves: { steps, evals } };
}
