import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

/** A column: `key` gives what rows are sorted by (null goes last), `show` what stands in the cell. */
export interface Column<Row> {
  id: string;
  name: string;
  show: (row: Row) => ComponentChildren;
  key?: (row: Row) => number | string | null;
  number?: boolean;
  /** The first click sorts from high to low. */
  descending?: boolean;
}

interface Props<Row> {
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  id: (row: Row) => string;
  caption: string;
  /** The column that rows are sorted by at first; otherwise they stand as given. */
  sorted?: string;
  onPick?: (row: Row) => void;
}

interface Order {
  column: string;
  descending: boolean;
}

/** Sorted by a click on a column's name; scrolls sideways by itself on a phone, never the page. */
export function Table<Row>({ columns, rows, id, caption, sorted, onPick }: Props<Row>) {
  const first = columns.find((one) => one.id === sorted);
  const [order, setOrder] = useState<Order | null>(
    first ? { column: first.id, descending: first.descending ?? false } : null,
  );
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map((one) => (
              <Head key={one.id} column={one} order={order} onOrder={setOrder} />
            ))}
          </tr>
        </thead>
        <tbody>
          {inOrder(rows, columns, order).map((row) => (
            <tr
              key={id(row)}
              class={onPick ? "pick" : undefined}
              onClick={onPick && ((event) => isPick(event) && onPick(row))}
            >
              {columns.map((one) => (
                <td key={one.id} class={one.number ? "n" : undefined}>
                  {one.show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A plain click on the row itself: not one that opens another tab, works a link in it, or ends a selection of text. */
function isPick(event: MouseEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return false;
  if ((event.target as Element).closest("a, button")) return false;
  return getSelection()?.isCollapsed ?? true;
}

interface HeadProps<Row> {
  column: Column<Row>;
  order: Order | null;
  onOrder: (order: Order) => void;
}

function Head<Row>({ column, order, onOrder }: HeadProps<Row>) {
  const mine = order?.column === column.id ? order : null;
  const next = { column: column.id, descending: mine ? !mine.descending : (column.descending ?? false) };
  const sort = mine ? (mine.descending ? "descending" : "ascending") : undefined;
  return (
    <th scope="col" class={column.number ? "n" : undefined} aria-sort={sort}>
      {column.key ? <button onClick={() => onOrder(next)}>{column.name}</button> : column.name}
    </th>
  );
}

function inOrder<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order: Order | null): readonly Row[] {
  const key = columns.find((one) => one.id === order?.column)?.key;
  if (!order || !key) return rows;
  const sign = order.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === null || right === null) return left === right ? 0 : left === null ? 1 : -1;
    if (typeof left === "number" && typeof right === "number") return sign * (left - right);
    return sign * String(left).localeCompare(String(right));
  });
}
