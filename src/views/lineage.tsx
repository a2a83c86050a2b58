/** Where a cell's inputs come from, upward to the cells that read nothing. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { edges } from '../graph';
import type { Node } from '../protocol';

export interface IStep {
  id: string;
  /** The names that flow into the step below. */
  names: string[];
  /** A cell that stands further up already is not followed again. */
  above: IStep[];
  /** More stands above it than is shown. */
  more: boolean;
}

/** So many levels fit beside a notebook. */
const DEEP = 6;

/** Return what a cell depends on as a tree, each cell followed once, nearest first. */
export function lineage(nodes: readonly Node[], id: string): IStep[] {
  const incoming = new Map<string, { source: string; names: string[] }[]>();
  edges(nodes).forEach(edge => {
    incoming.set(edge.target, [...(incoming.get(edge.target) ?? []), edge]);
  });
  const seen = new Set([id]);
  const follow = (at: string, depth: number): IStep[] =>
    (incoming.get(at) ?? []).map(({ source, names }) => {
      const first = !seen.has(source);
      seen.add(source);
      const above = first && depth < DEEP ? follow(source, depth + 1) : [];
      return { id: source, names, above, more: first && depth === DEEP && incoming.has(source) };
    });
  return follow(id, 1);
}

export interface ILineageProps {
  steps: IStep[];
  name: (id: string) => string;
  trans: TranslationBundle;
  onJump: (id: string) => void;
}

/** Cells as a nested list. */
export function Lineage({ steps, name, trans, onJump }: ILineageProps): JSX.Element {
  return (
    <ul className="strata-Lineage">
      {steps.map(step => (
        <li key={step.id}>
          <button
            className="strata-Link"
            title={trans.__('Go to this cell')}
            onClick={() => onJump(step.id)}
          >
            {name(step.id)}
          </button>
          {step.names.length > 0 && (
            <span className="strata-Why-quiet"> {step.names.join(', ')}</span>
          )}
          {step.more && <span className="strata-Why-quiet"> …</span>}
          {step.above.length > 0 && (
            <Lineage steps={step.above} name={name} trans={trans} onJump={onJump} />
          )}
        </li>
      ))}
    </ul>
  );
}
