import { useRef, useState } from "preact/hooks";
import { Button } from "../../components/button";
import { Copy } from "../../components/copy";
import { TextArea } from "../../components/field";
import { Failure, Loading } from "../../components/states";
import { Usage } from "../../components/usage";
import type { Answer } from "../../lib/answer";
import { useWords } from "../../lib/i18n";
import { composing, sends } from "../../lib/keys";
import { Markdown } from "../../components/markdown";
import type { ChatTurn } from "./conversation";
import { WORDS } from "./words";

interface Props {
  turn: ChatTurn;
  onEdit?: (text: string) => void;
  onAgain?: () => void;
}

export function Turn({ turn, onEdit, onAgain }: Props) {
  const t = useWords(WORDS);
  const [editing, setEditing] = useState(false);
  const mine = turn.role === "user";
  const place = useRef<HTMLLIElement>(null);
  const leave = () => {
    setEditing(false);
    place.current?.focus({ preventScroll: true }); // the field that had it is gone
  };
  if (editing && onEdit)
    return (
      <li ref={place} class="turn user" tabIndex={-1}>
        <Rewrite text={turn.content} onCancel={leave} onSend={(text) => (leave(), onEdit(text))} />
      </li>
    );
  return (
    <li ref={place} class={`turn ${turn.role}`} tabIndex={-1}>
      <p class="who soft">{mine ? t.you : turn.model}</p>
      {mine ? <Said text={turn.content} /> : <Written text={turn.content} />}
      <div class="turn-foot">
        <Copy text={turn.content} />
        {onEdit && <Button kind="plain" icon="edit" label={t.edit} onClick={() => setEditing(true)} />}
        {onAgain && <Button kind="plain" icon="again" label={t.again} onClick={onAgain} />}
        {mine && onAgain && <span class="warn small">{t.unanswered}</span>}
        {turn.stopped && <span class="warn small">{t.stopped}</span>}
        {turn.broken && <span class="warn small">{t.broken}</span>}
        {turn.spent && <Usage spent={turn.spent} />}
      </div>
    </li>
  );
}

/** The answer that is being written, or the reason why there is none. */
export function LiveTurn({ answer, model, again }: { answer: Answer; model: string; again: () => void }) {
  const t = useWords(WORDS);
  if (answer.state === "stopped" && !answer.text) return null;
  return (
    <li class="turn assistant" aria-busy={answer.state === "running"}>
      <p class="who soft">{model}</p>
      {answer.text && <Written text={answer.text} />}
      {answer.state === "running" && !answer.text && <Loading text={t.thinking} />}
      {answer.error && <Failure error={answer.error} again={again} />}
    </li>
  );
}

const SHOWN = 4000;

/** What was asked; of a long text, as of a file pasted in, the beginning: all of it can take seconds to lay out. */
function Said({ text }: { text: string }) {
  const t = useWords(WORDS);
  const [whole, setWhole] = useState(text.length <= 2 * SHOWN);
  const beginning = () => text.slice(0, SHOWN).replace(/[\uD800-\uDBFF]$/, ""); // not half of a rare character
  return (
    <div class="said">
      <p class="text">{whole ? text : `${beginning()}…`}</p>
      {!whole && <Button onClick={() => setWhole(true)}>{t.showAll(text.length.toLocaleString("en-US"))}</Button>}
    </div>
  );
}

const THOUGHTS = /^\s*<think>([\s\S]*?)(?:<\/think>|$)/;

/** A reply; what a reasoning model thought before it is folded away. */
function Written({ text }: { text: string }) {
  const t = useWords(WORDS);
  const thoughts = THOUGHTS.exec(text);
  const rest = thoughts ? text.slice(thoughts[0].length) : text;
  return (
    <>
      {thoughts?.[1]?.trim() && (
        <details class="thoughts">
          <summary>{t.thoughts}</summary>
          <p class="text soft">{thoughts[1].trim()}</p>
        </details>
      )}
      {text.trim() ? <Markdown text={rest} /> : <p class="soft">{t.nothing}</p>}
    </>
  );
}

function Rewrite({ text, onSend, onCancel }: { text: string; onSend: (text: string) => void; onCancel: () => void }) {
  const t = useWords(WORDS);
  const [draft, setDraft] = useState(text);
  const keyed = (event: KeyboardEvent) => {
    if (event.key === "Escape" && !composing(event)) onCancel();
    else if (sends(event) && draft.trim()) {
      event.preventDefault();
      onSend(draft);
    }
  };
  return (
    <div class="stack">
      <TextArea label={t.edit} value={draft} onInput={setDraft} onKeyDown={keyed} rows={3} focus />
      <div class="row end">
        <Button onClick={onCancel}>{t.cancel}</Button>
        <Button kind="primary" disabled={!draft.trim()} onClick={() => onSend(draft)}>
          {t.send}
        </Button>
      </div>
    </div>
  );
}
