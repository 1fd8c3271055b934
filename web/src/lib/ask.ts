import { useCallback, useEffect, useState } from "preact/hooks";
import { asError, get, isAbort, key, type ApiError } from "./api";
import { useValue } from "./value";

export interface Asked<T> {
  found: T | null;
  fault: ApiError | null;
  again: () => void;
}

/** What the server says at an address: asked for when the room is opened, when the address changes, and on `again`. */
export function useAsk<T>(path: string, active = true): Asked<T> {
  const [found, setFound] = useState<T | null>(null);
  const [fault, setFault] = useState<ApiError | null>(null);
  const [turn, setTurn] = useState(0);
  const secret = useValue(key);
  useEffect(() => {
    if (!active) return undefined;
    const stop = new AbortController();
    get<T>(path, stop.signal)
      .then((answer) => (setFound(() => answer), setFault(null)))
      .catch((error: unknown) => isAbort(error) || setFault(asError(error)));
    return () => stop.abort();
  }, [path, active, turn, secret]);
  const again = useCallback(() => setTurn((now) => now + 1), []);
  return { found, fault, again };
}
