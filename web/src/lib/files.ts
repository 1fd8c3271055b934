import { ApiError } from "./api";
import { say, words } from "./i18n";

/** As the server says it of a file in Data. */
const WORDS = words({
  en: {
    notText: (name: string, line: number, byte: number) => `${name}:${line}: invalid UTF-8 at byte ${byte} of the line`,
    chinese: "if the file is GB18030 or GBK: iconv -f GB18030 -t UTF-8 FILE > NEW",
    other: "save the file as UTF-8",
  },
  zh: {
    notText: (name: string, line: number, byte: number) => `${name} 第 ${line} 行第 ${byte} 字节不是有效的 UTF-8`,
    chinese: "若文件是 GB18030 或 GBK 编码，请转为 UTF-8：iconv -f GB18030 -t UTF-8 原文件 > 新文件",
    other: "请把文件另存为 UTF-8",
  },
});
const LINE_END = 10;

/** The text of a file. Throws `ApiError` where it is not UTF-8: read anyway, it would be a text that nobody wrote. */
export async function textOf(file: File): Promise<string> {
  const content = new Uint8Array(await file.arrayBuffer());
  const text = decoded(content, "utf-8");
  if (text !== null) return text;
  const t = say(WORDS);
  let [line, start] = [1, 0];
  for (;;) {
    const end = content.indexOf(LINE_END, start);
    const one = content.subarray(start, end < 0 ? undefined : end);
    const invalid = decoded(one, "utf-8") === null;
    if (invalid || end < 0) {
      const hint = decoded(one, "gb18030") === null ? t.other : t.chinese;
      throw new ApiError(t.notText(file.name, line, firstBad(one)), hint);
    }
    [line, start] = [line + 1, end + 1];
  }
}

function decoded(content: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(content);
  } catch {
    return null;
  }
}

/** Bytes before the first that is not UTF-8: where the text with replacements begins to differ. */
function firstBad(line: Uint8Array): number {
  const again = new TextEncoder().encode(new TextDecoder("utf-8", { ignoreBOM: true }).decode(line));
  const place = line.findIndex((byte, at) => byte !== again[at]);
  return place < 0 ? line.length : place;
}
