import { useLayoutEffect } from "preact/hooks";

/** Whether this key sends: Enter alone (Shift+Enter is a new line) or with Ctrl or Cmd; not while Chinese is being composed. */
export function sends(event: KeyboardEvent, alone = true): boolean {
  if (event.key !== "Enter" || event.isComposing || event.shiftKey) return false;
  return alone || event.ctrlKey || event.metaKey;
}

/** Esc anywhere in the page, while `on`. */
export function useEscape(on: boolean, work: () => void): void {
  useLayoutEffect(() => {
    if (!on) return undefined;
    const heard = (event: KeyboardEvent) => event.key === "Escape" && !event.isComposing && work();
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  });
}
