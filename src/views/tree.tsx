/** A tree that is walked by the keys that trees are walked by: up, down, left, right, Home and End. */
import { caretDownEmptyIcon, caretRightIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IRow } from '../catalogue';

export interface ITreeProps {
  label: string;
  rows: readonly IRow[];
  onToggle: (row: IRow) => void;
}

/** Return the row that a key leads to, or the one to open or close; null where the key means nothing. */
export function step(
  rows: readonly IRow[],
  at: number,
  key: string
): { to: number } | { toggle: number } | null {
  const row = rows[at];
  switch (key) {
    case 'ArrowDown':
      return { to: Math.min(at + 1, rows.length - 1) };
    case 'ArrowUp':
      return { to: Math.max(at - 1, 0) };
    case 'Home':
      return { to: 0 };
    case 'End':
      return { to: rows.length - 1 };
    case 'ArrowRight':
      if (row.open === false) {
        return { toggle: at };
      }
      return row.open && rows[at + 1]?.level > row.level ? { to: at + 1 } : null;
    case 'ArrowLeft': {
      if (row.open) {
        return { toggle: at };
      }
      const above = rows.slice(0, at).map(({ level }) => level < row.level);
      return row.level > 1 ? { to: above.lastIndexOf(true) } : null;
    }
    case 'Enter':
    case ' ':
      return row.open === null ? null : { toggle: at };
    default:
      return null;
  }
}

/** Only one row is reached by Tab: the one that was last. */
export function Tree({ label, rows, onToggle }: ITreeProps): JSX.Element {
  const [current, setCurrent] = React.useState('');
  const list = React.useRef<HTMLUListElement>(null);
  const at = Math.max(
    rows.findIndex(({ id }) => id === current),
    0
  );
  const onKeyDown = (event: React.KeyboardEvent) => {
    const found = rows.length ? step(rows, at, event.key) : null;
    if (!found || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    // What JupyterLab binds these keys to is not meant.
    event.stopPropagation();
    if ('toggle' in found) {
      onToggle(rows[found.toggle]);
    } else {
      setCurrent(rows[found.to].id);
      (list.current?.children[found.to] as HTMLElement | undefined)?.focus();
    }
  };
  return (
    <ul ref={list} className="strata-Tree" role="tree" aria-label={label} onKeyDown={onKeyDown}>
      {rows.map((row, i) => {
        const Caret = row.open ? caretDownEmptyIcon : caretRightIcon;
        return (
          <li
            key={row.id}
            className="strata-Tree-row"
            role="treeitem"
            aria-level={row.level}
            aria-setsize={row.count}
            aria-posinset={row.place}
            aria-expanded={row.open ?? undefined}
            data-level={row.level}
            tabIndex={i === at ? 0 : -1}
            onFocus={() => setCurrent(row.id)}
            onClick={() => row.open !== null && onToggle(row)}
          >
            {row.open !== null && (
              <Caret.react tag="span" className="strata-Tree-caret" aria-hidden="true" />
            )}
            <span className="strata-Tree-label">{row.label}</span>
            {row.detail && <span className="strata-Tree-detail">{row.detail}</span>}
          </li>
        );
      })}
    </ul>
  );
}
