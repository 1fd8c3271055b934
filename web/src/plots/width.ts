import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** The width of an element in pixels, so that a plot is drawn at its real size and its letters stay legible on a phone. */
export function useWidth(first = 640) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(first);
  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const watcher = new ResizeObserver(([entry]) => entry && entry.contentRect.width > 0 && setWidth(entry.contentRect.width));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  return { place, width };
}
