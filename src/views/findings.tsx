/** What is wrong anywhere in a notebook, in one list that leads to each place. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Diagnostic } from '../protocol';

export interface IFindingsProps {
  /** With the ids of their cells, in the document's order; those on no cell in particular have an empty one. */
  findings: readonly [string, Diagnostic][];
  name: (id: string) => string;
  trans: TranslationBundle;
  onJump: (id: string) => void;
}

/** Return the findings in the order of the cells; those of the settings come first. */
export function ordered(
  findings: readonly [string, Diagnostic][],
  cells: readonly string[]
): [string, Diagnostic][] {
  const place = new Map(cells.map((id, i) => [id, i]));
  return findings
    .filter(([id]) => !id || place.has(id))
    .sort(
      ([a, one], [b, other]) =>
        (place.get(a) ?? -1) - (place.get(b) ?? -1) || (one.line ?? 0) - (other.line ?? 0)
    );
}

/** The list; nothing where there is nothing to say. */
export function Findings({ findings, name, trans, onJump }: IFindingsProps): JSX.Element | null {
  if (findings.length === 0) {
    return null;
  }
  const title = trans.__('Findings in this notebook (%1)', findings.length);
  return (
    <section className="strata-Why-section" aria-label={title}>
      <h3>{title}</h3>
      <ul className="strata-Findings">
        {findings.map(([id, { code, line, message, severity = 'warning' }], i) => (
          <li key={i} data-severity={severity} title={code}>
            {id ? (
              <button className="strata-Link" onClick={() => onJump(id)}>
                {line ? trans.__('%1, line %2', name(id), line) : name(id)}
              </button>
            ) : (
              trans.__('Settings')
            )}
            {` · ${message}`}
          </li>
        ))}
      </ul>
    </section>
  );
}
