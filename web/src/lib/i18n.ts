import { keep, kept } from "./kept";
import { useValue, value } from "./value";

export type Language = "zh" | "en";

/** A text, several, or a function of numbers and names that gives one. */
type Entry = string | readonly string[] | ((...values: never[]) => string);
type Same<T> = { [K in keyof T]: T[K] extends string ? string : T[K] };

/** One room's words: the compiler sees that both languages have all of them. */
export interface Words<T> {
  en: T;
  zh: Same<T>;
}

export function words<T extends Record<string, Entry>>(both: Words<T>): Words<T> {
  return both;
}

export const language = value<Language>(first());
language.listen((chosen) => keep("language", chosen));
language.listen(mark);
mark(language.get());

/** The words in the language of the page. */
export function useWords<T>(both: Words<T>): Same<T> {
  return useValue(language) === "zh" ? both.zh : (both.en as Same<T>);
}

/** The same outside a component, for messages made while something runs. */
export function say<T>(both: Words<T>): Same<T> {
  return language.get() === "zh" ? both.zh : (both.en as Same<T>);
}

function first(): Language {
  const chosen = kept("language");
  if (chosen === "zh" || chosen === "en") return chosen;
  const wanted = navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag)) ?? "en";
  return wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function mark(chosen: Language): void {
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
}
