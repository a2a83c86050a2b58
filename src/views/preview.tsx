/** As much of a value as can be looked at beside a notebook: a page of a table, a picture, or text. */
import {
  LabIcon,
  ToolbarButtonComponent,
  caretLeftIcon,
  caretRightIcon,
  closeIcon
} from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

/** Rows of one page. */
export const PAGE = 50;

/** What there is to see, or why there is nothing. */
export interface ISight {
  table?: {
    columns: string[];
    types: string[];
    rows: unknown[][];
    offset: number;
    total?: number | null;
  } | null;
  /** An address of a picture. */
  image?: string | null;
  text?: string | null;
  reason?: string | null;
}

export interface IPreviewProps {
  name: string;
  sight: ISight | null;
  trans: TranslationBundle;
  /** Without it, the first rows are all there is to see. */
  onPage?: (offset: number) => void;
  onClose?: () => void;
}

const shown = (value: unknown) => (value === null ? '' : String(value));

function Page({ table, trans }: { table: NonNullable<ISight['table']>; trans: TranslationBundle }) {
  return (
    <div className="strata-Preview-scroll" tabIndex={0} role="region" aria-label={trans.__('Rows')}>
      <table className="strata-Preview-table">
        <thead>
          <tr>
            {table.columns.map((column, i) => (
              <th key={i} scope="col" title={table.types[i]}>
                {column || <span className="strata-Preview-index">{trans.__('index')}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, i) => (
            <tr key={table.offset + i}>
              {row.map((cell, j) => (
                <td key={j} data-number={typeof cell === 'number' || undefined}>
                  {shown(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Turn(props: { icon: LabIcon; label: string; enabled: boolean; onClick: () => void }) {
  const { icon, label, enabled, onClick } = props;
  return <ToolbarButtonComponent icon={icon} tooltip={label} enabled={enabled} onClick={onClick} />;
}

/** A value, below the row that names it. */
export function Preview({ name, sight, trans, onPage, onClose }: IPreviewProps): JSX.Element {
  const table = sight?.table;
  const first = table ? table.offset + 1 : 0;
  const last = table ? table.offset + table.rows.length : 0;
  const of =
    table && typeof table.total === 'number'
      ? trans.__(' of %1', table.total.toLocaleString())
      : '';
  const more =
    table && (typeof table.total === 'number' ? last < table.total : table.rows.length === PAGE);
  return (
    <div className="strata-Preview" role="group" aria-label={trans.__('Preview of %1', name)}>
      <header className="strata-Preview-header">
        <span className="strata-Preview-name">{name}</span>
        {table && (
          <>
            <span className="strata-Preview-rows" aria-live="polite">
              {last
                ? `${first.toLocaleString()}–${last.toLocaleString()}${of}`
                : trans.__('no rows')}
            </span>
            {onPage && (
              <>
                <Turn
                  icon={caretLeftIcon}
                  label={trans.__('Rows before')}
                  enabled={table.offset > 0}
                  onClick={() => onPage(Math.max(0, table.offset - PAGE))}
                />
                <Turn
                  icon={caretRightIcon}
                  label={trans.__('Rows after')}
                  enabled={!!more}
                  onClick={() => onPage(table.offset + PAGE)}
                />
              </>
            )}
          </>
        )}
        {onClose && (
          <Turn
            icon={closeIcon}
            label={trans.__('Close preview')}
            enabled={true}
            onClick={onClose}
          />
        )}
      </header>
      {!sight && <p className="strata-Why-quiet">{trans.__('Looking…')}</p>}
      {table && <Page table={table} trans={trans} />}
      {sight?.image && <img src={sight.image} alt={trans.__('Picture of %1', name)} />}
      {typeof sight?.text === 'string' && (
        <pre tabIndex={0} role="region" aria-label={trans.__('Text of %1', name)}>
          {sight.text}
        </pre>
      )}
      {sight && !table && !sight.image && typeof sight.text !== 'string' && (
        <p className="strata-Why-quiet">
          {sight.reason
            ? trans.__('No preview: %1', sight.reason)
            : trans.__('No preview of this kind of value.')}
        </p>
      )}
    </div>
  );
}
