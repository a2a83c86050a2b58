/** The graph of a notebook's cells: levels from top to bottom, states as on the badges. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { ancestors, descendants } from '../../graph';
import type { NotebookModel } from '../../model';
import { STALE } from '../../tokens';
import { badge, reason, sentence } from '../words';
import { Box, Edge, Shared } from './shapes';
import type { IBox, IDrawing } from './sketch';
import { useViewport, type IViewport } from './viewport';

export interface IGraphProps {
  drawing: IDrawing;
  model: NotebookModel;
  selected: string | null;
  /** Only cells whose label or names contain it stand out. */
  query: string;
  /** Only stale cells stand out. */
  staleOnly: boolean;
  place: (id: string) => string;
  trans: TranslationBundle;
  onSelect: (id: string) => void;
  onJump: (id: string) => void;
  /** Whether anybody can see it: nothing is drawn for nobody. */
  visible: () => boolean;
  /** Takes the viewport, whose buttons stand in a toolbar. */
  viewport: React.MutableRefObject<IViewport | null>;
}

/** Return the ids that stand out; null when all do. */
export function found(model: NotebookModel, query: string, staleOnly: boolean): Set<string> | null {
  if (!query && !staleOnly) {
    return null;
  }
  const wanted = query.toLowerCase();
  const hits = model.nodes.filter(({ id, label, reads, writes }) => {
    const texts = [label ?? '', id, ...(reads ?? []), ...(writes ?? [])];
    const state = model.cell(id)?.state ?? 'new';
    return (
      (!staleOnly || STALE.has(state)) && texts.some(text => text.toLowerCase().includes(wanted))
    );
  });
  return new Set(hits.map(node => node.id));
}

/** Return the box that a key leads to: up and down along edges, left and right on the level. */
export function neighbour(drawing: IDrawing, id: string, key: string): string | null {
  const boxes = new Map(drawing.boxes.map(box => [box.id, box]));
  const here = boxes.get(id);
  if (!here) {
    return null;
  }
  const nearest = (candidates: (IBox | undefined)[]) =>
    candidates
      .filter((box): box is IBox => !!box)
      .sort((a, b) => Math.abs(a.x - here.x) - Math.abs(b.x - here.x))[0]?.id ?? null;
  const level = drawing.boxes.filter(box => Math.abs(box.y - here.y) < 1);
  switch (key) {
    case 'ArrowUp':
      return nearest(drawing.paths.filter(p => p.target === id).map(p => boxes.get(p.source)));
    case 'ArrowDown':
      return nearest(drawing.paths.filter(p => p.source === id).map(p => boxes.get(p.target)));
    case 'ArrowLeft':
      return nearest(level.filter(box => box.x < here.x));
    case 'ArrowRight':
      return nearest(level.filter(box => box.x > here.x));
    case 'Home':
      return drawing.boxes[0].id;
    case 'End':
      return drawing.boxes[drawing.boxes.length - 1].id;
    default:
      return null;
  }
}

const cellOf = (target: EventTarget) =>
  (target as Element).closest<SVGGElement>('[data-cell]')?.dataset.cell ?? null;

/** Walk, jump and zoom with keys. */
function onKey(event: React.KeyboardEvent, props: IGraphProps, viewport: IViewport): void {
  const { drawing, onSelect, onJump } = props;
  const id = cellOf(event.target);
  const next = id && neighbour(drawing, id, event.key);
  if (next) {
    onSelect(next);
    viewport.ref.current?.querySelector<SVGGElement>(`[data-cell="${CSS.escape(next)}"]`)?.focus();
  } else if (id && (event.key === 'Enter' || event.key === ' ')) {
    onJump(id);
  } else if (event.key === '+' || event.key === '-') {
    viewport.zoom(event.key === '+' ? 1.25 : 0.8);
  } else if (event.key === '0') {
    viewport.fit();
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}

/** Draw again when cells change, in the turn that tells of it: badges and graph come with one frame. */
function useStates(model: NotebookModel, visible: () => boolean): void {
  const stamp = React.useRef(0);
  const subscribe = React.useCallback(
    (notify: () => void) => {
      const onCell = () => {
        if (visible()) {
          stamp.current++;
          notify();
        }
      };
      model.cellChanged.connect(onCell);
      return () => void model.cellChanged.disconnect(onCell);
    },
    [model, visible]
  );
  React.useSyncExternalStore(subscribe, () => stamp.current);
}

/** The whole drawing. */
export function GraphView(props: IGraphProps): JSX.Element {
  const { drawing, model, selected, query, staleOnly, trans, onSelect, onJump } = props;
  useStates(model, props.visible);
  const viewport = useViewport(drawing.width, drawing.height);
  const [pointed, setPointed] = React.useState<string | null>(null);
  const { ref, layer, fit, reveal } = viewport;
  props.viewport.current = viewport;
  React.useEffect(fit, [fit]);
  const chosen = drawing.boxes.find(box => box.id === selected);
  React.useEffect(() => chosen && reveal(chosen.x, chosen.y), [selected]);

  const hits = found(model, query, staleOnly);
  const related = pointed
    ? new Set([
        pointed,
        ...ancestors(model.nodes, [pointed]),
        ...descendants(model.nodes, [pointed])
      ])
    : null;
  const dim = (id: string) => (related ? !related.has(id) : !!hits && !hits.has(id));
  const first = chosen?.id ?? drawing.boxes[0]?.id;
  return (
    <svg
      ref={ref}
      className="strata-Graph-drawing"
      role="group"
      aria-label={trans.__('Graph of the cells')}
      onPointerDown={event => !cellOf(event.target) && viewport.onPointerDown(event)}
      onClick={event => cellOf(event.target) && onSelect(cellOf(event.target)!)}
      onContextMenu={event => cellOf(event.target) && onSelect(cellOf(event.target)!)}
      onDoubleClick={event => cellOf(event.target) && onJump(cellOf(event.target)!)}
      onPointerOver={event => setPointed(cellOf(event.target))}
      onPointerLeave={() => setPointed(null)}
      onKeyDown={event => onKey(event, props, viewport)}
    >
      <Shared />
      <g ref={layer}>
        {drawing.paths.map(path => (
          <Edge
            key={`${path.source} ${path.target}`}
            path={path}
            lit={!!related && related.has(path.source) && related.has(path.target)}
            dim={dim(path.source) || dim(path.target)}
          />
        ))}
        {drawing.boxes.map(box => (
          <Box
            key={box.id}
            box={box}
            {...shown(props, box.id, box.id === pointed || box.id === selected)}
            selected={box.id === selected}
            dim={dim(box.id)}
            tabIndex={box.id === first ? 0 : -1}
          />
        ))}
      </g>
    </svg>
  );
}

/** What a box says; its reasons in words are wanted for one or two boxes at a time. */
function shown({ model, place, trans }: IGraphProps, id: string, explained: boolean) {
  const facts = model.cell(id);
  if (!facts) {
    return { state: 'new' as const, text: '', title: '' };
  }
  const reasons = !explained ? [] : facts.reasons.map(item => reason(item, id, place));
  return {
    state: facts.state,
    text: badge(facts, Date.now(), trans),
    title: explained ? [sentence(facts, trans), ...reasons].join('\n') : ''
  };
}
