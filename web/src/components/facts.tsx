import type { ComponentChildren } from "preact";
import "../styles/records.css";

/** Names with what they are; whatever is empty is left out. */
export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChildren, string?])[] }) {
  return (
    <dl class="facts card">
      {facts
        .filter(([, value]) => value !== null && value !== undefined && value !== "")
        .map(([name, value, title]) => (
          <div key={name} title={title}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
