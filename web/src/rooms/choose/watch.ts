import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError, asError, get, isAbort, request } from "../../lib/api";
import { keep, kept } from "../../lib/kept";
import type { Job } from "./types";

const LOOK_MS = 700;
const NAME = "choose.job";
/** A choice as the server has just taken it: before it is looked at, it stands in the way of a second one already. */
const TAKEN: Omit<Job, "job"> = {
  state: "queued",
  ahead: 0,
  opening: "",
  lanes: [],
  seconds: 0,
  result: null,
  failure: null,
};

interface Watched {
  job: Job | null;
  /** The server knows the choice no more: one of an earlier run of it. */
  lost: boolean;
  take: (id: string) => void;
  /** Nothing of it is shown any more; another one begins. */
  leave: () => void;
  cancel: () => void;
}

/** A choice under way, looked at until it ends. Its id outlives the page, so that a reload does not lose it. */
export function useJob(active: boolean): Watched {
  const [id, setId] = useState(kept(NAME) ?? "");
  const [job, setJob] = useState<Job | null>(null);
  const [lost, setLost] = useState(false);
  const settle = useCallback((next: string, gone: boolean, first: Job | null = null) => {
    keep(NAME, next);
    setJob(first);
    setId(next);
    setLost(gone);
  }, []);
  const take = useCallback((next: string) => settle(next, false, { ...TAKEN, job: next }), []);
  const leave = useCallback(() => settle("", false), []);
  const over = job !== null && job.job === id && job.state !== "queued" && job.state !== "running";
  useEffect(() => {
    if (!id || !active || over) return undefined;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      try {
        setJob(await get<Job>(`/api/choose/${id}`, stop.signal));
      } catch (fault) {
        if (isAbort(fault)) return;
        if (asError(fault).status === 404) return settle("", true);
      }
      timer = setTimeout(() => void look(), LOOK_MS);
    };
    void look();
    return () => (stop.abort(), clearTimeout(timer));
  }, [id, active, over]);
  const cancel = useCallback(() => {
    request<Job>(`/api/choose/${id}`, { method: "DELETE" })
      .then(setJob)
      .catch((fault: unknown) => fault instanceof ApiError || Promise.reject(fault)); // it has ended meanwhile; the next look says so
  }, [id]);
  return { job, lost, take, leave, cancel };
}
