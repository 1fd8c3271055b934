import { useEffect, useState } from "preact/hooks";

/** A value that several components show: who uses it is drawn again when it changes. */
export interface Value<T> {
  get(): T;
  set(next: T): void;
  listen(heard: (value: T) => void): () => void;
}

export function value<T>(first: T): Value<T> {
  let now = first;
  const listeners = new Set<(value: T) => void>();
  return {
    get: () => now,
    set(next) {
      if (Object.is(next, now)) return;
      now = next;
      for (const heard of [...listeners]) heard(next);
    },
    listen(heard) {
      listeners.add(heard);
      return () => listeners.delete(heard);
    },
  };
}

export function useValue<T>(source: Value<T>): T {
  const [now, setNow] = useState(() => source.get());
  useEffect(() => {
    setNow(() => source.get());
    return source.listen((next) => setNow(() => next));
  }, [source]);
  return now;
}
