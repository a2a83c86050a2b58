/** What answers of models took: tokens, and what they cost where prices are configured. */
import type { Reason } from './protocol';

export interface IUsage {
  readonly tokens: number;
  readonly cost: number;
}

/** As the kernel says it: tokens in, tokens out, cost. */
const SAID = /^([\d,]+) tokens in, ([\d,]+) out(?:, ([\d.e+-]+))?$/;

const number = (text: string | undefined) => Number((text ?? '0').replaceAll(',', ''));

/** Return the sum of what some reasons say; null when none says anything. */
export function usage(reasons: readonly Reason[]): IUsage | null {
  const said = reasons
    .map(({ code, text }) => (code === 'usage' ? text.match(SAID) : null))
    .filter(found => found !== null);
  const sum = { tokens: 0, cost: 0 };
  for (const found of said) {
    sum.tokens += number(found?.[1]) + number(found?.[2]);
    sum.cost += number(found?.[3]);
  }
  return said.length ? sum : null;
}
