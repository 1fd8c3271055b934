import { ApiError } from "../../lib/api";
import { faultWords } from "../../lib/faults";
import { say, words } from "../../lib/i18n";
import type { Forms } from "../../lib/told";
import type { Job } from "./types";

/** Cells of the table of those that are out. */
export const CELLS: Forms = [
  [/^an answer$/, "有回答"],
  [/^an answer to most rows$/, "回答多数行"],
  [/^a price$/, "有价格"],
  [/^a price in (.*)$/, "$1 价格"],
  [/^a model that can be opened$/, "能打开的模型"],
  [/^open, hosted$/, "开放或托管"],
  [/^retired$/, "已下线"],
  [/^runs here$/, "在本机运行"],
  [/^answers over the network$/, "经网络回答"],
  [/^(\d+) of (\d+) rows failed: (.*)$/s, "$2 行中有 $1 行失败：$3"],
];

/** Where a figure comes from. */
export const SOURCES: Forms = [
  [/^this race$/, "本次比赛"],
  [/^this race: (\d+) requests, one at a time$/, "本次比赛：$1 次请求，逐个进行"],
  [/^this race: (.*) on (\d+) rows, (\d+) missing$/, "本次比赛：$2 行上的 $1，缺 $3 行"],
  [/^this race: (.*) on (\d+) rows$/, "本次比赛：$2 行上的 $1"],
  [/^this race, (\d+) rows, (.*)$/, "本次比赛，$1 行，$2"],
  [/^sibao fit: one request of (\d+) tokens in (.*)$/, "sibao fit：一次 $1 词元的请求，$2"],
  [/^(.*): size of its weight files$/, "$1：权重文件的大小"],
  [/^runs here: no money for a token$/, "在本机运行，词元不花钱"],
  [/^answers over the network$/, "经网络回答"],
  [/^nobody says what it costs$/, "没有价格资料"],
  [/^nobody says$/, "没有资料"],
  [/^its name$/, "由名字得知"],
  [/^catalogue$/, "目录"],
  [/^yours$/, "你的"],
];

/** What to do about a refusal, in the words of this form: the server's own hints speak of command lines and of JSON. */
const WORDS = words({
  en: {
    size: "For example 500M or 8B (parameters), or 2GB (on disk).",
    memory: "For example 4GB or 512MB.",
    task: "Choose the task above, or say more about what you want.",
    nothing: "Give rows, or say what you want.",
    twice: "Name each once, or in two precisions.",
    two: "Add a second candidate.",
    fewer: "Race fewer at once, or set a limit on memory.",
    cost: "Say under “The race” what it may spend at most.",
    weights: "Set a weight above 0, or leave all of them empty.",
    candidates: "Choose it anew from the list.",
    rows: "Take fewer; a race ends early anyway.",
    wait: "Wait for one to end, or give one up.",
    died: "Memory may have run out; race fewer or smaller models.",
  },
  zh: {
    size: "例如 500M、8B（参数量），或 2GB（磁盘上的大小）。",
    memory: "例如 4GB 或 512MB。",
    task: "请在上面选择任务，或把要做的事说得更清楚。",
    nothing: "请给出数据，或说说你要什么。",
    twice: "每个模型只列一次，或用两种精度。",
    two: "请再添加一个候选。",
    fewer: "请减少候选，或设内存上限。",
    cost: "请在“比赛”中填写花费上限。",
    weights: "请至少设一个大于 0 的权重，或全部留空。",
    candidates: "请从列表中重新选择。",
    rows: "请减少行数；比赛本来就会提前结束。",
    wait: "请等其中一个结束，或放弃一个。",
    died: "可能内存不足；请减少候选，或换小一些的模型。",
  },
});
const HINTS: readonly (readonly [RegExp, keyof typeof WORDS.en])[] = [
  [/--max-size/, "size"],
  [/max_memory/, "memory"],
  [/--task/, "task"],
  [/^sibao choose --data/, "nothing"],
  [/^name each once/, "twice"],
  [/--model/, "two"],
  [/--max-memory/, "fewer"],
  [/max_cost/, "cost"],
  [/--weight/, "weights"],
  [/\/api\/choose\/candidates/, "candidates"],
  [/^take fewer/, "rows"],
  [/^wait for one to end/, "wait"],
  [/^memory may have run out/, "died"],
];

/** A refusal in the words of the form. */
export function inForm(fault: ApiError): ApiError {
  const known = HINTS.find(([hint]) => hint.test(fault.hint));
  const message = fault.message.replace(/got (--max-size|max_memory) /, "got the size ");
  return new ApiError(message, known ? say(WORDS)[known[1]] : fault.hint, fault.status, fault.kind);
}

/** Why a choice failed. */
export function failed({ type, message, hint }: NonNullable<Job["failure"]>): ApiError {
  const status = type === "SibaoError" ? 500 : 400; // the choice's own process, else what it was asked for
  return inForm(new ApiError(faultWords(message, status, [type]), hint));
}
