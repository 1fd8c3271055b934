import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../../components/button";
import { Copy } from "../../components/copy";
import { TextArea, TextField } from "../../components/field";
import { useWords, words } from "../../lib/i18n";
import { sends, useEscape } from "../../lib/keys";
import { useTask, type TaskResult } from "../../lib/task";
import type { PartProps } from "../tasks";
import { Go, Outcome } from "./parts";

const WORDS = words({
  en: {
    context: "Passage",
    contextPlace: "The text that holds the answer. A long one is searched.",
    question: "Question",
    questionPlace: "What do you want to know?",
    go: "Answer",
    answer: "Answer",
    none: "The passage does not answer this.",
    absent: "These words do not stand in the passage: check them.",
    marked: "Passage with the answer marked",
    change: "Change the passage",
  },
  zh: {
    context: "短文",
    contextPlace: "含有答案的文字。长文会先检索。",
    question: "问题",
    questionPlace: "想知道什么？",
    go: "回答",
    answer: "答案",
    none: "短文里没有答案。",
    absent: "短文里没有这些字，请核对。",
    marked: "标出答案的短文",
    change: "修改短文",
  },
});

interface AnswerResult extends TaskResult {
  /** Where the answer stands in the passage, in characters (code points, as Python counts). */
  span?: { start: number; end: number } | null;
}

export function AnswerPart({ model, active }: PartProps) {
  const t = useWords(WORDS);
  const [context, setContext] = useState("");
  const [question, setQuestion] = useState("");
  const [asked, setAsked] = useState("");
  const [changing, setChanging] = useState(false);
  const { work, start, stop, clear, running } = useTask<AnswerResult>("answer");
  useEscape(active && running, stop);
  const ready = context.trim() !== "" && question.trim() !== "";
  const go = () => {
    setAsked(context);
    void start({ model, question, context });
  };
  const card = useRef<HTMLDivElement>(null);
  // on a phone the answer stands below the passage
  useEffect(() => card.current?.scrollIntoView({ block: "nearest" }), [work.state, work.text !== ""]);
  const result = work.state === "done" ? work.result : null;
  return (
    <form class="two" onSubmit={(event) => (event.preventDefault(), ready && !running && go())}>
      <div class="stack">
        {result ? (
          <>
            <Marked text={asked} span={result.span ?? null} />
            <div class="row">
              <Button icon="edit" onClick={() => (setChanging(true), clear())}>
                {t.change}
              </Button>
            </div>
          </>
        ) : (
          <TextArea
            label={t.context}
            placeholder={t.contextPlace}
            rows={11}
            focus={changing}
            value={context}
            onInput={setContext}
            onKeyDown={(event) => sends(event, false) && ready && go()}
          />
        )}
      </div>
      <div class="stack">
        <TextField label={t.question} placeholder={t.questionPlace} value={question} onInput={setQuestion} />
        <div class="row">
          <Go name={t.go} running={running} disabled={!ready} onGo={go} onStop={stop} />
        </div>
        {(work.text || result) && (
          <div ref={card} class="card" aria-live="polite">
            <div class="row apart">
              <h2>{t.answer}</h2>
              {work.text && <Copy text={work.text} />}
            </div>
            <p class="text answer-text">{work.text || t.none}</p>
            {result && result.text && !result.span && <p class="warn small">{t.absent}</p>}
          </div>
        )}
        <Outcome work={work} again={go} />
      </div>
    </form>
  );
}

/** The passage, its answer marked and brought into sight. */
function Marked({ text, span }: { text: string; span: { start: number; end: number } | null }) {
  const t = useWords(WORDS);
  const mark = useRef<HTMLElement>(null);
  useEffect(() => mark.current?.scrollIntoView({ block: "nearest" }), [span?.start]);
  const letters = [...text]; // code points: an offset of Python's counts a rare character once, JavaScript's twice
  const part = (from: number, to?: number) => letters.slice(from, to).join("");
  return (
    <div class="field">
      <p class="label">{t.marked}</p>
      <div class="sheet text" role="region" aria-label={t.marked} tabIndex={0}>
        {span ? (
          <>
            {part(0, span.start)}
            <mark ref={mark}>{part(span.start, span.end)}</mark>
            {part(span.end)}
          </>
        ) : (
          text
        )}
      </div>
    </div>
  );
}
