import { useLayoutEffect } from "preact/hooks";

const OF_THE_INPUT_METHOD = 229;

/** Whether Chinese is being composed. Safari says that it has ended before it tells of the key that ended it; its code tells. */
export function composing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === OF_THE_INPUT_METHOD;
}

/** Whether this key sends: Enter alone (Shift+Enter is a new line) or with Ctrl or Cmd; not while Chinese is being composed. */
export function sends(event: KeyboardEvent, alone = true): boolean {
  if (event.key !== "Enter" || composing(event) || event.shiftKey) return false;
  return alone || event.ctrlKey || event.metaKey;
}

/** Esc anywhere in the page, while `on`. */
export function useEscape(on: boolean, work: () => void): void {
  useLayoutEffect(() => {
    if (!on) return undefined;
    const heard = (event: KeyboardEvent) => event.key === "Escape" && !composing(event) && work();
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  });
}
