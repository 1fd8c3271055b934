import { useEffect, useRef, useState } from "preact/hooks";
import { USUAL } from "../../components/sampling";
import { useAnswer, type Answer, type Message, type Sampling, type Spent } from "../../lib/answer";
import { attempt } from "../../lib/kept";

export interface ChatTurn {
  role: "user" | "assistant";
  content: string;
  model?: string;
  spent?: Spent | null;
  stopped?: boolean;
  /** The page went away while it was written, or the connection. */
  broken?: boolean;
}

export interface ChatSettings extends Sampling {
  model: string;
  system: string;
}

interface Kept {
  turns: ChatTurn[];
  settings: ChatSettings;
}

/** A conversation with one model; it lasts as long as the tab. */
export function useConversation() {
  const [kept, setKept] = useState<Kept>(read);
  const { answer, start, stop, clear, running } = useAnswer();
  const [writer, setWriter] = useState(""); // the picker may name another model while an answer is written
  const { turns, settings } = kept;
  const all = withRest(turns, answer, writer);
  useKeeping(kept, { settings, turns: all });

  const change = (part: Partial<ChatSettings>) =>
    setKept((now) => ({ ...now, settings: { ...now.settings, ...part } }));
  const ask = async (history: ChatTurn[]) => {
    setKept((now) => ({ ...now, turns: history }));
    setWriter(settings.model);
    const { system, ...sampling } = settings;
    const done = await start({ ...sampling, messages: [...instruction(system), ...messages(history)] });
    const stopped = done.state === "stopped";
    if (done.state === "failed" || (stopped && !done.text)) return;
    const turn: ChatTurn = { role: "assistant", content: done.text, model: settings.model, spent: done.spent, stopped };
    setKept((now) => (now.turns === history ? { ...now, turns: [...history, turn] } : now));
    clear();
  };
  const asked = turns.findLastIndex((turn) => turn.role === "user");
  return {
    turns,
    settings,
    answer,
    writer,
    running,
    change,
    stop,
    say: (text: string) => void ask([...all, { role: "user", content: text }]),
    again: () => void ask(turns.slice(0, asked + 1)),
    rewrite: (text: string) => void ask([...turns.slice(0, asked), { role: "user", content: text }]),
    forget: () => {
      clear();
      setKept((now) => ({ ...now, turns: [] }));
    },
  };
}

const NAME = "sibao.chat";
const EMPTY: Kept = { turns: [], settings: { model: "", system: "", ...USUAL } };

function read(): Kept {
  const text = attempt(() => sessionStorage.getItem(NAME));
  return (text && attempt(() => JSON.parse(text) as Kept)) || EMPTY;
}

function instruction(system: string): Message[] {
  return system.trim() ? [{ role: "system", content: system }] : [];
}

/** The turns, and what stands of an answer that is not whole. */
function withRest(turns: ChatTurn[], answer: Answer, model: string): ChatTurn[] {
  if (!answer.text || (answer.state !== "running" && answer.state !== "failed")) return turns;
  return [...turns, { role: "assistant", content: answer.text, model, broken: true }];
}

/** Kept at every turn; the answer under way when the page goes: at every word, a long conversation would hold it up. */
function useKeeping(kept: Kept, withAnswer: Kept): void {
  const latest = useRef(withAnswer);
  latest.current = withAnswer;
  const keep = () => void attempt(() => sessionStorage.setItem(NAME, JSON.stringify(latest.current)));
  useEffect(keep, [kept]);
  useEffect(() => {
    const going = ["pagehide", "visibilitychange"]; // a phone ends a page out of sight without another word
    for (const kind of going) addEventListener(kind, keep);
    return () => going.forEach((kind) => removeEventListener(kind, keep));
  }, []);
}

/** What the model is told; questions without an answer between them are one: templates want the two to take turns. */
function messages(turns: ChatTurn[]): Message[] {
  const told: Message[] = [];
  for (const { role, content } of turns) {
    const last = told.at(-1);
    if (last?.role === role) last.content += `\n\n${content}`;
    else told.push({ role, content });
  }
  return told;
}
