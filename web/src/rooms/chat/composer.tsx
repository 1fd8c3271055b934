import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../../components/button";
import { useWords } from "../../lib/i18n";
import { sends, useSingle } from "../../lib/keys";
import { WORDS } from "./words";

interface Props {
  running: boolean;
  active: boolean;
  onSend: (text: string) => void;
  onStop: () => void;
}

/** Where the next message is written. While an answer runs, the button stops it. */
export function Composer({ running, active, onSend, onStop }: Props) {
  const t = useWords(WORDS);
  const [draft, setDraft] = useState("");
  const single = useSingle();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // On a phone the keyboard would cover the room that somebody has just opened.
    if (active && matchMedia("(hover: hover)").matches) field.current?.focus({ preventScroll: true });
  }, [active]);
  const send = () => {
    if (running || !draft.trim()) return;
    onSend(draft);
    setDraft("");
    field.current?.focus();
  };
  const keyed = (event: KeyboardEvent) => {
    if (!sends(event)) return;
    event.preventDefault();
    send();
  };
  return (
    <div class="composer">
      <textarea
        ref={field}
        rows={1}
        aria-label={t.message}
        placeholder={t.placeholder}
        title={t.keys}
        value={draft}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={keyed}
      />
      {running ? (
        <Button kind="danger" icon="stop" label={t.stop} onClick={single(onStop)} />
      ) : (
        <Button kind="primary" icon="send" label={t.send} disabled={!draft.trim()} onClick={single(send)} />
      )}
    </div>
  );
}
