import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { Button } from "../components/button";
import { useWords, words } from "../lib/i18n";
import "../styles/plots.css";

const WORDS = words({ en: { plot: "Plot", table: "Table" }, zh: { plot: "图", table: "表" } });

interface Props {
  title: ComponentChildren;
  plot: ComponentChildren;
  table: ComponentChildren;
  children?: ComponentChildren;
}

/** A plot, and the same figures as a table. */
export function Figure({ title, plot, table, children }: Props) {
  const t = useWords(WORDS);
  const [tabular, setTabular] = useState(false);
  const id = useId();
  return (
    <figure class="figure card" aria-labelledby={id}>
      <figcaption class="row apart">
        <h3 id={id}>{title}</h3>
        <span class="row switch">
          <Button kind="plain" pressed={!tabular} onClick={() => setTabular(false)}>
            {t.plot}
          </Button>
          <Button kind="plain" pressed={tabular} onClick={() => setTabular(true)}>
            {t.table}
          </Button>
        </span>
      </figcaption>
      {children}
      {tabular ? table : plot}
    </figure>
  );
}
