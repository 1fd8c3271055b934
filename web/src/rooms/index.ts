import type { ComponentType } from "preact";
import { words, type Words } from "../lib/i18n";
import type { IconName } from "../components/icon";
import { Chat } from "./chat";
import { Choose } from "./choose";
import { Compare } from "./compare";
import { Data } from "./data";
import type { RoomProps } from "./room";
import { Runs } from "./runs";
import { Scorecards } from "./scorecards";
import { Tasks } from "./tasks";

export interface Room {
  id: string;
  icon: IconName;
  name: Words<{ name: string; about: string }>;
  Show: ComponentType<RoomProps>;
}

function room(id: IconName, Show: Room["Show"], en: [string, string], zh: [string, string]): Room {
  const name = words({ en: { name: en[0], about: en[1] }, zh: { name: zh[0], about: zh[1] } });
  return { id, icon: id, name, Show };
}

export const ROOMS: readonly Room[] = [
  room("chat", Chat, ["Chat", "Talk with a model"], ["对话", "与模型交谈"]),
  room("tasks", Tasks, ["Tasks", "Translate, answer, summarize, write"], ["任务", "翻译、问答、摘要、写作"]),
  room("compare", Compare, ["Compare", "Two models, one prompt, a blind vote"], ["对比", "两个模型，同一提示，盲投"]),
  room("scorecards", Scorecards, ["Scores", "Scorecards and leaderboard"], ["评分", "评分卡与排行榜"]),
  room("choose", Choose, ["Choose", "Which model for your work"], ["选型", "哪个模型适合你的工作"]),
  room("runs", Runs, ["Runs", "Training and evaluation"], ["运行", "训练与评测"]),
  room("data", Data, ["Data", "What is in a file"], ["数据", "文件里有什么"]),
];
