import { useWords, words } from "../lib/i18n";
import { Button } from "./button";
import { toast } from "./toast";

const WORDS = words({
  en: { copy: "Copy", done: "Copied", failed: "This browser does not let the page copy" },
  zh: { copy: "复制", done: "已复制", failed: "此浏览器不允许网页复制" },
});

export function Copy({ text }: { text: string }) {
  const t = useWords(WORDS);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      toast(t.done);
    } catch {
      toast(t.failed); // without HTTPS, pages of other machines may not
    }
  };
  return <Button kind="plain" icon="copy" label={t.copy} onClick={() => void copy()} />;
}
