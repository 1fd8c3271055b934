import { useRef, useState } from "preact/hooks";
import { asError, isAbort, stream, type ApiError } from "./api";
import { used } from "./status";

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** A number that is null is left to the server, and so is a model without a name. */
export interface Sampling {
  temperature: number | null;
  max_tokens: number | null;
  seed: number | null;
}

export interface Question extends Sampling {
  model: string;
  messages: Message[];
}

/** Tokens as the server counts them; times in seconds as this page saw them. */
export interface Spent {
  prompt: number | null;
  completion: number | null;
  first: number | null;
  seconds: number;
  finish: string;
}

export interface Answer {
  state: "none" | "running" | "done" | "stopped" | "failed";
  text: string;
  error: ApiError | null;
  spent: Spent | null;
}

export const NO_ANSWER: Answer = { state: "none", text: "", error: null, spent: null };

interface Chunk {
  choices?: { delta?: { content?: string | null }; finish_reason?: string | null }[];
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
}

/** One answer of a model at a time: streamed, stopped, shown. */
export function useAnswer() {
  const [answer, setAnswer] = useState<Answer>(NO_ANSWER);
  const control = useRef<AbortController | null>(null);
  const start = async (question: Question): Promise<Answer> => {
    control.current?.abort();
    const mine = new AbortController();
    control.current = mine;
    const show = paced((next: Answer) => control.current === mine && setAnswer(next));
    const last = await listen(question, mine.signal, show.soon);
    show.now(last);
    used(question.model);
    return last;
  };
  const stop = () => control.current?.abort();
  const clear = () => {
    stop();
    control.current = null;
    setAnswer(NO_ANSWER);
  };
  return { answer, start, stop, clear, running: answer.state === "running" };
}

async function listen(question: Question, signal: AbortSignal, show: (answer: Answer) => void): Promise<Answer> {
  const begun = performance.now();
  const since = () => (performance.now() - begun) / 1000;
  const spent: Spent = { prompt: null, completion: null, first: null, seconds: 0, finish: "" };
  let text = "";
  const as = (state: Answer["state"], error: ApiError | null = null): Answer => ({
    state,
    text,
    error,
    spent: state === "running" ? null : { ...spent, seconds: since() },
  });
  show(as("running"));
  try {
    for await (const chunk of stream<Chunk>("/v1/chat/completions", asked(question), signal)) {
      const piece = chunk.choices?.[0]?.delta?.content ?? "";
      if (piece) spent.first ??= since();
      text += piece;
      spent.finish = chunk.choices?.[0]?.finish_reason ?? spent.finish;
      spent.prompt = chunk.usage?.prompt_tokens ?? spent.prompt;
      spent.completion = chunk.usage?.completion_tokens ?? spent.completion;
      show(as("running"));
    }
    return as("done");
  } catch (fault) {
    return isAbort(fault) ? as("stopped") : as("failed", asError(fault));
  }
}

function asked(question: Question): unknown {
  const given = Object.entries(question).filter(([, value]) => value !== null && value !== "");
  return { ...Object.fromEntries(given), stream: true, stream_options: { include_usage: true } };
}

/** Shows at most once a frame: a quick model writes faster than a screen can be drawn. */
export function paced<T>(show: (value: T) => void): { soon: (value: T) => void; now: (value: T) => void } {
  let waiting = 0;
  let latest: T;
  const soon = (value: T) => {
    latest = value;
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      show(latest);
    });
  };
  const now = (value: T) => {
    cancelAnimationFrame(waiting);
    waiting = 0;
    show(value);
  };
  return { soon, now };
}
