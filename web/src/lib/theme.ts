import { keep, kept } from "./kept";
import { value } from "./value";

export type Theme = "auto" | "light" | "dark";
export const THEMES: readonly Theme[] = ["auto", "light", "dark"];

/** `auto` follows the system; the style sheet does the rest. */
export const theme = value<Theme>(THEMES.find((name) => name === kept("theme")) ?? "auto");
theme.listen((chosen) => keep("theme", chosen));
theme.listen(mark);
mark(theme.get());

function mark(chosen: Theme): void {
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
