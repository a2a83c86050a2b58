/** What forms are made of: lines with a text each. */

/** One line of the form; `when` tells whether it matters with what stands in the others. */
export interface IField {
  key: string;
  label: string;
  hint?: string;
  choices?: readonly string[];
  /** What is to be known of it, below. */
  note?: string;
  when?: (values: Values) => boolean;
}

export type Values = Record<string, string>;

/** Return what is neither empty nor taken away. */
export function kept(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== '' && value !== null)
  );
}
