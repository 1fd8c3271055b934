/** Small settings that outlive the page; a browser that forbids them only forgets them. */
export function kept(name: string): string | null {
  return attempt(() => localStorage.getItem(`sibao.${name}`));
}

export function keep(name: string, text: string): void {
  attempt(() => localStorage.setItem(`sibao.${name}`, text));
}

export function attempt<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
