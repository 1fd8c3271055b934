import { useEffect, useState } from "preact/hooks";
import { USUAL } from "../../components/sampling";
import { useAnswer, type Message, type Sampling, type Spent } from "../../lib/answer";
import { attempt } from "../../lib/kept";

export interface ChatTurn {
  role: "user" | "assistant";
  content: string;
  model?: string;
  spent?: Spent | null;
  stopped?: boolean;
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
  const { turns, settings } = kept;
  useEffect(() => void attempt(() => sessionStorage.setItem(NAME, JSON.stringify(kept))), [kept]);

  const change = (part: Partial<ChatSettings>) =>
    setKept((now) => ({ ...now, settings: { ...now.settings, ...part } }));
  const ask = async (history: ChatTurn[]) => {
    setKept((now) => ({ ...now, turns: history }));
    const { system, ...sampling } = settings;
    const done = await start({ ...sampling, messages: [...instruction(system), ...history.map(message)] });
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
    running,
    change,
    stop,
    say: (text: string) => void ask([...turns, { role: "user", content: text }]),
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

function message(turn: ChatTurn): Message {
  return { role: turn.role, content: turn.content };
}
