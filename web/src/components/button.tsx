import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icon";

interface Props {
  children?: ComponentChildren;
  /** Said where there is no text, and shown as a tip. */
  label?: string;
  icon?: IconName;
  kind?: "primary" | "normal" | "plain" | "danger";
  type?: "button" | "submit";
  disabled?: boolean;
  pressed?: boolean;
  expanded?: boolean;
  controls?: string;
  onClick?: (event: MouseEvent) => void;
}

export function Button({ children, label, icon, kind = "normal", type = "button", ...rest }: Props) {
  return (
    <button
      type={type}
      class={`button ${kind}`}
      disabled={rest.disabled}
      title={label}
      aria-label={children ? undefined : label}
      aria-pressed={rest.pressed}
      aria-expanded={rest.expanded}
      aria-controls={rest.controls}
      onClick={rest.onClick}
    >
      {icon && <Icon name={icon} />}
      {children && <span>{children}</span>}
    </button>
  );
}
