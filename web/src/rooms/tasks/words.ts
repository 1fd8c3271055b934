import { words } from "../../lib/i18n";

export const WORDS = words({
  en: {
    tasks: "Tasks",
    translate: "Translate",
    answer: "Answer",
    summarize: "Summarize",
    write: "Write",
    stop: "Stop",
    working: "Working…",
    stopped: "Stopped before the end.",
    progress: (done: number, total: number) => `Part ${done} of ${total}`,
    notes: "What was done to fit the text",
    pieces: (n: number) => `in ${n} parts`,
    used: (prompt: string, completion: string, seconds: string) =>
      `${completion} tokens written, ${prompt} read · ${seconds} s`,
    length: "stopped at the limit of new tokens",
    keys: "Ctrl+Enter starts, Esc stops",
  },
  zh: {
    tasks: "任务",
    translate: "翻译",
    answer: "问答",
    summarize: "摘要",
    write: "写作",
    stop: "停止",
    working: "进行中……",
    stopped: "未到结尾就停止了。",
    progress: (done: number, total: number) => `第 ${done} 部分，共 ${total} 部分`,
    notes: "为容纳全文所做的处理",
    pieces: (n: number) => `分 ${n} 部分`,
    used: (prompt: string, completion: string, seconds: string) =>
      `写出 ${completion} 个词元，读入 ${prompt} 个 · ${seconds} 秒`,
    length: "到达新词元上限而停止",
    keys: "Ctrl+Enter 开始，Esc 停止",
  },
});
