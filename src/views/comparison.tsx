/** Variants side by side: how each stands, the numbers that it left, and what it showed. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ICompared } from '../rest';
import { STATE_ICONS } from './icons';
import type { State } from '../tokens';
import { duration, word } from './words';

export interface IComparisonProps {
  variants: readonly ICompared[];
  trans: TranslationBundle;
}

/** A line of the table: what it is about, and a text for each variant; `shown` is what cells put out. */
export interface ILine {
  title: string;
  cells: string[];
  shown: boolean;
}

/** Return the results of all cells, and then what they showed; a cell's name stands where two leave the same. */
export function lines(variants: readonly ICompared[]): ILine[] {
  const distinct = (keys: string[]) => [...new Set(keys)];
  const labels = distinct(variants.flatMap(({ results }) => Object.keys(results)));
  const names = labels.flatMap(label =>
    distinct(variants.flatMap(({ results }) => Object.keys(results[label] ?? {}))).map(name => ({
      label,
      name
    }))
  );
  const results = names.map(({ label, name }) => ({
    title: names.filter(other => other.name === name).length > 1 ? `${name} (${label})` : name,
    cells: variants.map(variant => variant.results[label]?.[name] ?? ''),
    shown: false
  }));
  const shown = distinct(variants.flatMap(variant => Object.keys(variant.shown))).map(label => ({
    title: label,
    cells: variants.map(variant => variant.shown[label] ?? ''),
    shown: true
  }));
  return [...results, ...shown];
}

function Standing({ state, trans }: { state: string; trans: TranslationBundle }): JSX.Element {
  // The store's word for a run that stands for the cell as it is.
  const known = (state === 'cached' ? 'fresh' : state) as State;
  const Icon = STATE_ICONS[known] ?? STATE_ICONS.new;
  return (
    <span className="strata-Plan-action strata-State" data-state={known}>
      <Icon.react tag="span" className="strata-Comparison-icon" aria-hidden="true" />
      {word(known, trans)}
    </span>
  );
}

/** The table. */
export function Comparison({ variants, trans }: IComparisonProps): JSX.Element {
  return (
    <div
      className="strata-Plan-scroll"
      tabIndex={0}
      role="region"
      aria-label={trans.__('Comparison')}
    >
      <table className="strata-Plan-steps strata-Comparison">
        <thead>
          <tr>
            <th scope="col">{trans.__('Variant')}</th>
            {variants.map(({ cell, name }) => (
              <th key={cell} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{trans.__('State')}</th>
            {variants.map(({ cell, state }) => (
              <td key={cell}>
                <Standing state={state} trans={trans} />
              </td>
            ))}
          </tr>
          <tr>
            <th scope="row">{trans.__('Time')}</th>
            {variants.map(({ cell, seconds }) => (
              <td key={cell} className="strata-Plan-number">
                {seconds === null ? '–' : duration(seconds * 1000)}
              </td>
            ))}
          </tr>
          {lines(variants).map(({ title, cells, shown }, i) => (
            <tr key={i}>
              <th scope="row">{title}</th>
              {cells.map((text, j) => (
                <td key={j} className={shown ? '' : 'strata-Plan-number'}>
                  {shown ? text && <pre>{text}</pre> : text || '–'}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
