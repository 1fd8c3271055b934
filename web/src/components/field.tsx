import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

interface Base {
  label: string;
  /** One line under the field. */
  hint?: ComponentChildren;
  /** What is wrong with the value; takes the place of the hint. */
  error?: string;
  /** The label is only for screen readers. */
  quiet?: boolean;
  disabled?: boolean;
}

export interface TextProps extends Base {
  value: string;
  onInput: (value: string) => void;
  placeholder?: string;
  type?: "text" | "password" | "search" | "url";
  lang?: string;
}

export interface AreaProps extends Base {
  value: string;
  onInput: (value: string) => void;
  placeholder?: string;
  rows?: number;
  lang?: string;
  onKeyDown?: (event: KeyboardEvent) => void;
  /** It opens with the cursor in it. */
  focus?: boolean;
}

export interface NumberProps extends Base {
  /** null is an empty field: the server's own default. */
  value: number | null;
  onInput: (value: number | null) => void;
  min?: number;
  max?: number;
  step?: number;
  placeholder?: string;
}

export interface SelectProps<T extends string> extends Base {
  value: T;
  onChange: (value: T) => void;
  options: readonly { value: T; label: string; disabled?: boolean }[];
}

/** A label, a control and a line below it; `children` gets the ids that tie them together. */
export function Field({ label, hint, error, quiet, children }: Base & { children: (ids: Ids) => ComponentChildren }) {
  const id = useId();
  const below = error || hint;
  return (
    <div class="field">
      <label for={id} class={quiet ? "unseen" : undefined}>
        {label}
      </label>
      {children({
        id,
        "aria-describedby": below ? `${id}-below` : undefined,
        "aria-invalid": error ? true : undefined,
      })}
      {below && (
        <p id={`${id}-below`} class={error ? "below bad" : "below soft"}>
          {below}
        </p>
      )}
    </div>
  );
}

export interface Ids {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
}

export function TextField(props: TextProps) {
  return (
    <Field {...props}>
      {(ids) => (
        <input
          {...ids}
          type={(props.type ?? "text") as "text"}
          value={props.value}
          placeholder={props.placeholder}
          disabled={props.disabled}
          lang={props.lang}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => props.onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

export function TextArea(props: AreaProps) {
  return (
    <Field {...props}>
      {(ids) => (
        <textarea
          {...ids}
          rows={props.rows ?? 4}
          value={props.value}
          placeholder={props.placeholder}
          disabled={props.disabled}
          lang={props.lang}
          onInput={(event) => props.onInput(event.currentTarget.value)}
          onKeyDown={props.onKeyDown}
          ref={props.focus ? takeFocus : undefined}
        />
      )}
    </Field>
  );
}

function takeFocus(field: HTMLTextAreaElement | null): void {
  field?.focus();
  field?.setSelectionRange(field.value.length, field.value.length);
}

export function NumberField(props: NumberProps) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    // Half a number ("0.", "1e") reads as none: written back into the field, that would wipe out what is being typed.
    const input = field.current;
    if (input && numberIn(input.value) !== props.value) input.value = String(props.value ?? "");
  });
  return (
    <Field {...props}>
      {(ids) => (
        <input
          {...ids}
          type="number"
          inputMode="decimal"
          ref={field}
          min={props.min}
          max={props.max}
          step={props.step ?? "any"}
          placeholder={props.placeholder}
          disabled={props.disabled}
          onInput={(event) => props.onInput(numberIn(event.currentTarget.value))}
        />
      )}
    </Field>
  );
}

function numberIn(text: string): number | null {
  return text === "" || !Number.isFinite(Number(text)) ? null : Number(text);
}

export function Select<T extends string>(props: SelectProps<T>) {
  return (
    <Field {...props}>
      {(ids) => (
        <select
          {...ids}
          value={props.value}
          disabled={props.disabled}
          onChange={(event) => props.onChange(event.currentTarget.value as T)}
        >
          {props.options.map((one) => (
            <option key={one.value} value={one.value} disabled={one.disabled}>
              {one.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function Check({
  label,
  value,
  onChange,
}: {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
}) {
  return (
    <label class="check">
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}
