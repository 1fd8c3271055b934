import { useState } from "preact/hooks";
import { useAnswer, type Sampling } from "../../lib/answer";
import { asError, post, type ApiError } from "../../lib/api";

export type Vote = "left" | "right" | "tie" | "neither";

interface Round {
  left: string;
  right: string;
  prompt: string;
}

export type Match = ReturnType<typeof useMatch>;

/** One prompt to two models in an order that nobody knows, and the vote on their answers. */
export function useMatch(onCast: () => void) {
  const left = useAnswer();
  const right = useAnswer();
  const [round, setRound] = useState<Round | null>(null);
  const [vote, setVote] = useState<Vote | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [casting, setCasting] = useState(false);
  const running = left.running || right.running;

  const start = (models: [string, string], prompt: string, sampling: Sampling) => {
    const [one, other] = coin() ? models : [models[1], models[0]];
    setRound({ left: one, right: other, prompt });
    setVote(null);
    setError(null);
    const messages = [{ role: "user" as const, content: prompt }];
    void left.start({ model: one, messages, ...sampling });
    void right.start({ model: other, messages, ...sampling });
  };
  const cast = async (chosen: Vote) => {
    if (!round || casting) return;
    const ballot = {
      prompt: round.prompt,
      left: { model: round.left, text: left.answer.text },
      right: { model: round.right, text: right.answer.text },
      vote: chosen,
    };
    setCasting(true);
    try {
      await post("/api/votes", ballot);
      setVote(chosen);
      setError(null);
      onCast();
    } catch (fault) {
      setError(asError(fault));
    } finally {
      setCasting(false);
    }
  };
  return {
    round,
    left: left.answer,
    right: right.answer,
    running,
    /** A vote is on its way: nothing new begins before it is kept. */
    casting,
    vote,
    error,
    /** A vote needs two whole answers, and is cast once. */
    open: round !== null && vote === null && !casting && left.answer.state === "done" && right.answer.state === "done",
    start,
    cast,
    stop: () => (left.stop(), right.stop()),
  };
}

function coin(): boolean {
  return (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0) % 2 === 0;
}
