import { useEffect, useRef } from "preact/hooks";

const NEAR = 160; // pixels from the end within which the reader is taken to follow

/**
 * Keeps the end of a growing text in sight, unless the reader has scrolled up.
 * `drawn` changes when what stands below the text, as its counts, is drawn.
 */
export function useFollowing(on: boolean, text: string, drawn: number): void {
  const following = useRef(true);
  useEffect(() => {
    const page = document.documentElement;
    const look = () => {
      following.current = page.scrollHeight - page.scrollTop - page.clientHeight < NEAR;
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);
  useEffect(() => {
    if (on) following.current = true; // who sends wants to see the answer
  }, [on]);
  const was = useRef(false);
  useEffect(() => {
    // once more at the end: counts or a failure stand below the text then
    if ((on || was.current) && following.current) scrollTo(0, document.documentElement.scrollHeight);
    was.current = on || text !== "";
  }, [on, text, drawn]);
}
