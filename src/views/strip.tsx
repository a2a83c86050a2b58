/** The pictures of a loop's passes in a row: only those in view are drawn and fetched, however many there are. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

export interface IStripProps {
  passes: number;
  /** The pass that is looked at, counted from 0. */
  place: number;
  /** An address; null where a pass showed nothing, undefined where that is not known yet. */
  picture: (place: number) => string | null | undefined;
  trans: TranslationBundle;
  onSelect: (place: number) => void;
  /** These come into view. */
  onNeed: (first: number, last: number) => void;
}

/** The room of one picture in pixels, and how many are drawn on either side of what is in view. */
const WIDE = 72;
const BESIDE = 4;
/** What a row of pictures shows before it is laid out. */
const FIRST = 6;

/** Return the first and the last pass to draw where so much of the row is in view, in pixels. */
export function span(left: number, width: number, passes: number): [number, number] {
  const first = Math.max(0, Math.floor(left / WIDE) - BESIDE);
  const shown = width ? Math.ceil(width / WIDE) : FIRST;
  return [first, Math.max(0, Math.min(passes - 1, Math.floor(left / WIDE) + shown + BESIDE))];
}

/** Return the pass that a key leads to; null where it means nothing. */
export function reached(place: number, passes: number, key: string): number | null {
  const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
  const to = key === 'Home' ? 0 : key === 'End' ? passes - 1 : place + (steps[key] ?? NaN);
  return Number.isNaN(to) ? null : Math.min(Math.max(to, 0), passes - 1);
}

export function Strip(props: IStripProps): JSX.Element {
  const { passes, place, picture, trans, onSelect, onNeed } = props;
  const row = React.useRef<HTMLDivElement>(null);
  const [left, setLeft] = React.useState(Math.max(0, place - FIRST / 2) * WIDE);
  const [first, last] = span(left, row.current?.clientWidth ?? 0, passes);
  React.useEffect(() => onNeed(first, last), [first, last]);
  React.useEffect(() => {
    const node = row.current!;
    const at = place * WIDE;
    if (at < node.scrollLeft || at + WIDE > node.scrollLeft + node.clientWidth) {
      node.scrollLeft = at - (node.clientWidth - WIDE) / 2;
      setLeft(node.scrollLeft);
    }
    if (node.contains(document.activeElement)) {
      node.querySelector<HTMLElement>('[aria-selected=true]')?.focus({ preventScroll: true });
    }
  }, [place]);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const to = reached(place, passes, event.key);
    if (to !== null && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      // What JupyterLab binds these keys to is not meant.
      event.stopPropagation();
      onSelect(to);
    }
  };
  const drawn = [...new Set([...Array(last - first + 1).keys()].map(i => i + first).concat(place))];
  return (
    <div
      ref={row}
      className="strata-Strip"
      role="listbox"
      aria-label={trans.__('Pictures of the passes')}
      aria-orientation="horizontal"
      onScroll={event => setLeft(event.currentTarget.scrollLeft)}
      onKeyDown={onKeyDown}
    >
      <div className="strata-Strip-row" role="presentation" style={{ width: passes * WIDE }}>
        {drawn
          .sort((one, other) => one - other)
          .map(i => {
            const [source, text] = [picture(i), trans.__('Pass %1 of %2', i + 1, passes)];
            return (
              <div
                key={i}
                className="strata-Strip-pass"
                role="option"
                aria-selected={i === place}
                aria-setsize={passes}
                aria-posinset={i + 1}
                aria-label={text}
                tabIndex={i === place ? 0 : -1}
                style={{ left: i * WIDE, width: WIDE }}
                onClick={() => onSelect(i)}
              >
                {source ? <img src={source} alt={text} loading="lazy" /> : <span />}
                <small aria-hidden="true">{i + 1}</small>
              </div>
            );
          })}
      </div>
    </div>
  );
}
