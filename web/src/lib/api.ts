import { faultWords } from "./faults";
import { say, words } from "./i18n";
import { attempt } from "./kept";
import { events } from "./sse";
import { value } from "./value";

const WORDS = words({
  en: {
    unreachable: "The server does not answer.",
    unreachableHint: "Is `sibao serve` still running?",
    broken: (status: number) => `The server answered ${status} with something that is not JSON.`,
    cut: "The answer broke off.",
    cutHint: "The connection was lost before the end. Try again.",
  },
  zh: {
    unreachable: "服务器没有回应。",
    unreachableHint: "`sibao serve` 还在运行吗？",
    broken: (status: number) => `服务器回答了 ${status}，但内容不是 JSON。`,
    cut: "回答中断了。",
    cutHint: "连接在结束之前断开了，请重试。",
  },
});

/** What a person is told when a request fails: what happened, and what to do next. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly hint = "",
    readonly status = 0,
    readonly kind = "",
  ) {
    super(message);
  }
}

export interface Ask {
  method?: string;
  json?: unknown;
  body?: BodyInit;
  signal?: AbortSignal;
}

/** Set when the server wants a key: the shell then asks for one. Kept for this tab only. */
export const key = value<string>(attempt(() => sessionStorage.getItem("sibao.key")) ?? "");
key.listen((text) => attempt(() => sessionStorage.setItem("sibao.key", text)));
export const keyWanted = value(false);
/** Whether the server answered the last time that it was asked. */
export const reached = value(true);

/**
 * JSON from the server; `path` starts with `/` and is taken from where the page stands.
 * Throws `ApiError`, or `AbortError` when stopped.
 */
export async function request<T>(path: string, ask: Ask = {}): Promise<T> {
  const answer = await send(path, ask);
  try {
    return (await answer.json()) as T;
  } catch (fault) {
    if (isAbort(fault)) throw fault;
    throw new ApiError(say(WORDS).broken(answer.status), "", answer.status);
  }
}

export const get = <T>(path: string, signal?: AbortSignal) => request<T>(path, { signal });
export const post = <T>(path: string, json: unknown, signal?: AbortSignal) => request<T>(path, { json, signal });

/** The events of a streamed answer, each its parsed JSON; ends at `[DONE]` or the end of the stream. */
export async function* stream<T>(path: string, json: unknown, signal: AbortSignal): AsyncGenerator<Awaited<T>> {
  const answer = await send(path, { json, signal });
  if (!answer.body) throw new ApiError(say(WORDS).broken(answer.status), "", answer.status);
  try {
    for await (const data of events(answer.body)) {
      if (data === "[DONE]") return;
      const event = JSON.parse(data) as Awaited<T> & { error?: unknown };
      if (event.error) throw fromBody(event, answer.status);
      yield event;
    }
  } catch (fault) {
    if (fault instanceof ApiError || isAbort(fault)) throw fault;
    throw new ApiError(say(WORDS).cut, say(WORDS).cutHint);
  }
}

/** Whether somebody pressed stop: not a failure. */
export function isAbort(fault: unknown): boolean {
  return fault instanceof DOMException && fault.name === "AbortError";
}

/** Any fault in the form that the page shows. */
export function asError(fault: unknown): ApiError {
  return fault instanceof ApiError ? fault : new ApiError(fault instanceof Error ? fault.message : String(fault));
}

async function send(path: string, ask: Ask): Promise<Response> {
  const headers = new Headers({ Accept: "application/json, text/event-stream" });
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  if (ask.json !== undefined) headers.set("Content-Type", "application/json");
  const body = ask.json !== undefined ? JSON.stringify(ask.json) : ask.body;
  const method = ask.method ?? (body === undefined ? "GET" : "POST");
  let answer: Response;
  try {
    answer = await fetch(`.${path}`, { method, headers, body, signal: ask.signal });
  } catch (fault) {
    if (isAbort(fault)) throw fault;
    reached.set(false);
    throw new ApiError(say(WORDS).unreachable, say(WORDS).unreachableHint);
  }
  reached.set(true);
  if (answer.ok) return answer;
  if (answer.status === 401) keyWanted.set(true);
  throw fromBody(await answer.json().catch(() => null), answer.status);
}

interface Fault {
  message?: unknown;
  hint?: unknown;
  type?: unknown;
  code?: unknown;
}

function fromBody(body: unknown, status: number): ApiError {
  const fault = (body as { error?: Fault | string } | null)?.error;
  if (typeof fault === "string") return new ApiError(fault, "", status);
  if (typeof fault?.message !== "string") return new ApiError(say(WORDS).broken(status), "", status);
  const kind = text(fault.type);
  return new ApiError(faultWords(fault.message, status, [text(fault.code), kind]), text(fault.hint), status, kind);
}

function text(found: unknown): string {
  return typeof found === "string" ? found : "";
}
