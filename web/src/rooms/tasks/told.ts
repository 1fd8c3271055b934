import type { Forms } from "../../lib/told";

/** What was done to fit the text. */
export const NOTES: Forms = [
  [/^the text was translated in (\d+) pieces$/, "全文分 $1 段翻译"],
  [/^the text was summarized in (\d+) pieces and merged$/, "全文分 $1 段摘要，再合并"],
  [/^the summaries are no shorter than their text; they stand one after another$/, "各段摘要并不比原文短，依次排列"],
  [
    /^the passage was searched in (\d+) windows; the (\d+) closest to the question were read$/,
    "短文分 $1 个窗口检索，读了与问题最接近的 $2 个",
  ],
  [/^a sentence of (\d+) characters does not fit and was cut at clauses into (\d+) parts$/, "有一句长 $1 字，放不下，按分句切成 $2 段"],
  [
    /^a sentence of (\d+) characters does not fit and was cut at characters into (\d+) parts$/,
    "有一句长 $1 字，放不下，按字切成 $2 段",
  ],
  [/^(\d+) of (\d+) calls stopped at the limit of new tokens$/, "$2 次调用中有 $1 次到达新词元上限而停止"],
  [/^the prompt leaves room for (\d+) new tokens$/, "提示之后还容得下 $1 个新词元"],
];
