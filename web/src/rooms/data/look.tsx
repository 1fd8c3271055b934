import { Facts } from "../../components/facts";
import { Table, type Column } from "../../components/table";
import { useWords } from "../../lib/i18n";
import { bytes, figure, whole } from "../../lib/numbers";
import { told } from "../../lib/told";
import { HINTS, REASONS } from "./told";
import type { Amount, BadRow, DataField, DataLook, DataRow } from "./types";
import { KINDS, TONGUES, TYPES, WORDS } from "./words";

/** What a file was understood to be: the verdict first, then what is wrong, then what is in it. */
export function Look({ look }: { look: DataLook }) {
  const t = useWords(WORDS);
  const kinds: Record<string, string> = useWords(KINDS);
  const all = look.rows + look.bad_rows;
  const noRows = !look.rows && look.bad.every((bad) => !bad.line); // it is the file that is bad
  const counted = Object.entries(look.kinds).map(([kind, rows]) => `${kinds[kind] ?? kind} ${whole(rows)}`);
  return (
    <div class="stack" data-look={look.name}>
      <h2>{look.name}</h2>
      <p class={look.bad_rows ? "verdict bad" : "verdict good"} role="status">
        {noRows ? t.noRows : look.bad_rows ? t.some(whole(look.bad_rows), whole(all)) : t.good(whole(all))}
      </p>
      <Facts
        facts={[
          [t.form, look.compression ? `${look.form} · ${look.compression}` : look.form],
          [t.size, bytes(look.size)],
          [t.kinds, counted.join(", ")],
          [t.documents, whole(look.documents)],
          [look.tokenizer ? `${t.tokens} (${look.tokenizer})` : t.tokens, look.tokens === null ? "" : whole(look.tokens)],
          [t.duplicates, t.exactNear(whole(look.duplicates.exact), whole(look.duplicates.near))],
        ]}
      />
      {look.bad_rows > 0 && <Bad look={look} />}
      {look.sample.length > 0 && <Sample rows={look.sample} />}
      <div class="two">
        {look.fields.length > 0 && <Fields look={look} />}
        {Object.keys(look.languages).length > 0 && <Languages look={look} />}
      </div>
    </div>
  );
}

function Bad({ look }: { look: DataLook }) {
  const t = useWords(WORDS);
  const columns: Column<BadRow>[] = [
    { id: "line", name: t.line, number: true, show: (row) => row.line || t.wholeFile, key: (row) => row.line },
    { id: "field", name: t.field, show: (row) => <code>{row.field}</code>, key: (row) => row.field },
    {
      id: "why",
      name: t.why,
      key: (row) => row.message,
      show: (row) => (
        <>
          {told(row.message, REASONS)}
          {row.hint && <span class="soft small"> {told(row.hint, HINTS)}</span>}
        </>
      ),
    },
  ];
  const cut = look.bad.length < look.bad_rows ? t.firstBad(whole(look.bad.length), whole(look.bad_rows)) : t.bad;
  return <Table columns={columns} rows={look.bad} id={(row) => `${row.line} ${row.field} ${row.message}`} caption={cut} />;
}

function Sample({ rows }: { rows: readonly DataRow[] }) {
  const t = useWords(WORDS);
  const kinds: Record<string, string> = useWords(KINDS);
  return (
    <section class="stack">
      <h3>{t.sample}</h3>
      {rows.map((row) => (
        <article key={row.line} class="card stack sample">
          <p class="soft small">
            {t.line} {row.line} · <span class={row.kind ? "" : "bad"}>{row.kind ? (kinds[row.kind] ?? row.kind) : t.noKind}</span>
          </p>
          {Object.entries(row.values).map(([name, value]) => (
            <p key={name} class="text">
              <code class="soft">{name}</code> {value.text}
              {value.left_out > 0 && <span class="soft"> {t.leftOut(whole(value.left_out))}</span>}
            </p>
          ))}
        </article>
      ))}
    </section>
  );
}

function Fields({ look }: { look: DataLook }) {
  const t = useWords(WORDS);
  const types: Record<string, string> = useWords(TYPES);
  const columns: Column<DataField>[] = [
    { id: "name", name: t.field, show: (one) => <code>{one.name}</code>, key: (one) => one.name },
    { id: "rows", name: t.inRows, number: true, show: (one) => whole(one.rows), key: (one) => one.rows, descending: true },
    { id: "types", name: t.types, show: (one) => one.types.map((type) => types[type] ?? type).join(", ") },
  ];
  return <Table columns={columns} rows={look.fields} id={(one) => one.name} caption={t.fieldsOf(whole(look.looked_at))} />;
}

function Languages({ look }: { look: DataLook }) {
  const t = useWords(WORDS);
  const names: Record<string, string> = useWords(TONGUES);
  const rows = Object.entries(look.languages);
  const columns: Column<[string, Amount]>[] = [
    { id: "name", name: t.language, show: ([code]) => names[code] ?? code },
    { id: "documents", name: t.documents, number: true, show: ([, one]) => whole(one.documents) },
    { id: "characters", name: t.characters, number: true, show: ([, one]) => whole(one.characters) },
    { id: "tokens", name: t.tokens, number: true, show: ([, one]) => whole(one.tokens) },
    { id: "per", name: t.perCharacter, number: true, show: ([, one]) => figure(one.tokens_per_character, 3) },
  ];
  return <Table columns={columns} rows={rows} id={([code]) => code} caption={t.languages} />;
}
