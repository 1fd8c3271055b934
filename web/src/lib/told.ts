import { language } from "./i18n";

/** A sentence of the server's by its form, and the same in Chinese; `$1` and so on are what stands in the brackets. */
export type Forms = readonly (readonly [RegExp, string])[];

/** A sentence of the server's, which are all English, in the language of the page; as it is if its form is unknown. */
export function told(sentence: string, forms: Forms): string {
  if (language.get() !== "zh") return sentence;
  const known = forms.find(([form]) => form.test(sentence));
  return known ? sentence.replace(...known) : sentence;
}
