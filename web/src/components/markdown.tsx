import type { ComponentChildren } from "preact";
import { Copy } from "./copy";

/** Markdown that models write, as elements: text stays text, so that nothing in it can become a script or a style. */
export function Markdown({ text }: { text: string }) {
  return <div class="md">{blocks(text.replace(/\r\n?/g, "\n").split("\n"))}</div>;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const DIVIDER = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$/;

type Lines = readonly string[];

/** What a block is made of, and the line after it. */
type Block = [ComponentChildren, number];

function blocks(lines: Lines): ComponentChildren[] {
  const made: ComponentChildren[] = [];
  for (let at = 0; at < lines.length;) {
    if (!lines[at]?.trim()) {
      at += 1;
      continue;
    }
    const [block, next] = blockAt(lines, at);
    made.push(block);
    at = next;
  }
  return made;
}

function blockAt(lines: Lines, at: number): Block {
  const line = lines[at] ?? "";
  const fence = FENCE.exec(line);
  if (fence) return code(lines, at, fence[1] ?? "```", fence[2] ?? "");
  const heading = HEADING.exec(line);
  // The page's own headings go down to h2: those of an answer begin below.
  if (heading)
    return [
      <p class="md-heading" role="heading" aria-level={Math.min(6, 2 + (heading[1] ?? "").length)}>
        {inline(heading[2] ?? "")}
      </p>,
      at + 1,
    ];
  if (RULE.test(line)) return [<hr />, at + 1];
  if (QUOTE.test(line)) return quote(lines, at);
  if (ITEM.test(line)) return list(lines, at);
  if (line.includes("|") && DIVIDER.test(lines[at + 1] ?? "")) return grid(lines, at);
  return paragraph(lines, at);
}

function code(lines: Lines, at: number, fence: string, language: string): Block {
  const closes = (line: string) =>
    line.trim().startsWith(fence) &&
    !line
      .trim()
      .slice(fence.length)
      .replaceAll(fence[0] ?? "`", "");
  let end = at + 1;
  while (end < lines.length && !closes(lines[end] ?? "")) end += 1;
  const text = lines.slice(at + 1, end).join("\n");
  return [
    <div class="md-code">
      <pre tabIndex={0} data-language={language || undefined}>
        <code>{text}</code>
      </pre>
      <Copy text={text} />
    </div>,
    end + 1,
  ];
}

function quote(lines: Lines, at: number): Block {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end] ?? "")) end += 1;
  return [<blockquote>{blocks(lines.slice(at, end).map((line) => line.replace(QUOTE, "")))}</blockquote>, end];
}

function list(lines: Lines, at: number): Block {
  const [, indent = "", mark = "-"] = ITEM.exec(lines[at] ?? "") ?? [];
  const numbered = /\d/.test(mark);
  const items: string[][] = [];
  let end = at;
  for (; end < lines.length; end += 1) {
    const line = lines[end] ?? "";
    const item = ITEM.exec(line);
    const depth = item?.[1]?.length ?? 0;
    if (item && depth <= indent.length) {
      if (/\d/.test(item[2] ?? "") !== numbered) break;
      items.push([item[3] ?? ""]);
    } else if (item || /^\s+\S/.test(line))
      items.at(-1)?.push(line.replace(new RegExp(`^\\s{1,${indent.length + 4}}`), ""));
    else if (line.trim() || !ITEM.test(lines[end + 1] ?? "")) break;
  }
  const shown = items.map((item) => <li>{item.length === 1 ? inline(item[0] ?? "") : blocks(item)}</li>);
  return [numbered ? <ol start={Number.parseInt(mark, 10)}>{shown}</ol> : <ul>{shown}</ul>, end];
}

function grid(lines: Lines, at: number): Block {
  let end = at + 2;
  while (end < lines.length && (lines[end] ?? "").includes("|")) end += 1;
  const cells = (line: string) =>
    line
      .trim()
      .replace(/^\||\|$/g, "")
      .split("|")
      .map((cell) => inline(cell.trim()));
  return [
    <div class="scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {cells(lines[at] ?? "").map((cell) => (
              <th scope="col">{cell}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.slice(at + 2, end).map((line) => (
            <tr>
              {cells(line).map((cell) => (
                <td>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>,
    end,
  ];
}

function paragraph(lines: Lines, at: number): Block {
  let end = at + 1;
  const ends = (line: string) =>
    !line.trim() || FENCE.test(line) || HEADING.test(line) || QUOTE.test(line) || RULE.test(line) || ITEM.test(line);
  while (end < lines.length && !ends(lines[end] ?? "")) end += 1;
  const parts = lines.slice(at, end).flatMap((line, row) => (row ? [<br />, ...inline(line)] : inline(line)));
  return [<p>{parts}</p>, end];
}

const END = "，。；：！？、（）《》"; // Chinese marks end a bare address
const INLINE = new RegExp(
  [
    /(`+)(.+?)\1(?!`)/, // code
    /\*\*(?=\S)(.+?)\*\*/, // bold
    /(?<![\w*])\*(?=[^\s*])([^*]+?)\*(?!\*)/, // italic
    /\[([^\]]+)\]\(([^()\s]+)\)/, // a link with its text
    new RegExp(`(https?://[^\\s<>()"'\\]${END}]*[^\\s<>()"'\\].,;:!?${END}])`), // a bare one
  ]
    .map((one) => one.source)
    .join("|"),
  "g",
);

function inline(text: string): ComponentChildren[] {
  const made: ComponentChildren[] = [];
  let last = 0;
  for (const found of text.matchAll(INLINE)) {
    made.push(text.slice(last, found.index));
    last = found.index + found[0].length;
    const [all, , written, bold, italic, label, address, bare] = found;
    if (written !== undefined) made.push(<code>{written.trim() || written}</code>);
    else if (bold !== undefined) made.push(<strong>{inline(bold)}</strong>);
    else if (italic !== undefined) made.push(<em>{inline(italic)}</em>);
    else made.push(link(address ?? bare ?? "", label ?? bare ?? "", all));
  }
  made.push(text.slice(last));
  return made;
}

/** Only to the web: any other scheme (javascript:, data:, file:) stays as it was written. */
function link(address: string, label: string, all: string): ComponentChildren {
  if (!/^https?:\/\/[^/\s]/i.test(address)) return all;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow">
      {label}
    </a>
  );
}
