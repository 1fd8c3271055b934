import { useLayoutEffect, useRef } from "preact/hooks";

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

/** Esc anywhere in the page, while `on`; where a dialog is open, the key is the dialog's. */
export function useEscape(on: boolean, work: () => void): void {
  useLayoutEffect(() => {
    if (!on) return undefined;
    const heard = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !composing(event) && !document.querySelector("dialog[open]")) work();
    };
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  });
}

const DOUBLE_MS = 400;

/** For buttons that take each other's place, as start and stop: the second half of a double click reaches neither. */
export function useSingle(): (work: () => void) => (event: MouseEvent) => void {
  const last = useRef(-Infinity);
  return (work) => (event) => {
    const pressed = event.detail === 0; // by keyboard, which does not hit another button by accident
    if (!pressed && event.timeStamp - last.current < DOUBLE_MS) return;
    last.current = event.timeStamp;
    work();
  };
}
