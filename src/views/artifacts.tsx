/** Names that a cell reads and leaves: type, shape, size, version, and a way to look at each. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Preview, type ISight } from './preview';
import { bytes } from './words';

/** A line about a value, taken apart. */
export interface ISummary {
  type: string;
  shape: string;
  size: string;
}

/** One row. */
export interface IRow {
  name: string;
  summary: ISummary;
  version: string;
  /** The cell that made it, where that is another one. */
  cell?: string;
  /** Why it is not kept. */
  note?: string;
}

/** What is being looked at. */
export interface ILook {
  cell: string;
  name: string;
  sight: ISight | null;
}

export interface IArtifactsProps {
  caption: string;
  rows: IRow[];
  /** The cell whose values these are, where the rows do not say. */
  self: string;
  look: ILook | null;
  name: (id: string) => string;
  trans: TranslationBundle;
  onJump: (id: string) => void;
  onLook: (cell: string, name: string, offset: number) => void;
  onClose: () => void;
}

const SUMMARY = /^(\S+)(?: \(([^)]*)\))?(?: (.*?))?(?: ?(\d[\d.]* (?:B|kB|MB|GB)))?$/;

/** Take a line such as `ndarray (3, 2) float64 48 B` apart; `size` in bytes counts where the line has none. */
export function parsed(summary: string, size: number | null = null): ISummary {
  const [, type = summary, shape = '', rest = '', told = ''] = SUMMARY.exec(summary) ?? [];
  return {
    type: rest ? `${type} ${rest}` : type,
    shape: shape.split(/, ?/).filter(Boolean).join(' × '),
    size: told || (size === null ? '' : bytes(size))
  };
}

/** Versions are long, and their beginnings tell them apart. */
export const short = (version: string): string => version.slice(0, 8);

function Row(props: IArtifactsProps & { row: IRow }): JSX.Element {
  const { row, self, look, name, trans, onJump, onLook, onClose } = props;
  const cell = row.cell ?? self;
  const open = look?.cell === cell && look.name === row.name;
  const toggle = () => (open ? onClose() : onLook(cell, row.name, 0));
  return (
    <>
      <tr>
        <th scope="row">
          <button
            className="strata-Link"
            aria-expanded={open}
            title={trans.__('Look at it')}
            onClick={toggle}
          >
            {row.name.replace(/^file:.*\//, '')}
          </button>
        </th>
        <td>{row.summary.type}</td>
        <td>{row.summary.shape}</td>
        <td className="strata-Why-number">{row.summary.size}</td>
        <td className="strata-Why-version" title={trans.__('Version %1', row.version)}>
          {short(row.version)}
        </td>
        {row.cell !== undefined && (
          <td>
            <button
              className="strata-Link"
              onClick={() => onJump(cell)}
              title={trans.__('Go to the cell that makes it')}
            >
              {name(cell)}
            </button>
          </td>
        )}
      </tr>
      {row.note && (
        <tr>
          <td colSpan={6} className="strata-Why-quiet">
            {row.note}
          </td>
        </tr>
      )}
      {open && (
        <tr>
          <td colSpan={6}>
            <Preview
              name={row.name}
              sight={look.sight}
              trans={trans}
              onPage={offset => onLook(cell, row.name, offset)}
              onClose={onClose}
            />
          </td>
        </tr>
      )}
    </>
  );
}

/** A table of names. */
export function Artifacts(props: IArtifactsProps): JSX.Element {
  const { rows, trans, caption } = props;
  const titles = [
    trans.__('Name'),
    trans.__('Type'),
    trans.__('Shape'),
    trans.__('Size'),
    trans.__('Version')
  ];
  return (
    <table className="strata-Why-table" aria-label={caption}>
      <thead>
        <tr>
          {titles.map(title => (
            <th key={title} scope="col">
              {title}
            </th>
          ))}
          {rows.some(row => row.cell !== undefined) && <th scope="col">{trans.__('From')}</th>}
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <Row key={row.name} {...props} row={row} />
        ))}
      </tbody>
    </table>
  );
}
