/** One drawing per state, so that colour is never the only sign. */
import { LabIcon } from '@jupyterlab/ui-components';
import { PACKAGE, type State } from '../tokens';

/** Strokes on a field of 16 by 16, in the colour of the text around them. */
const draw = (body: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16"><g fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">${body}</g></svg>`;

const icon = (name: string, body: string) =>
  new LabIcon({ name: `${PACKAGE}:${name}`, svgstr: draw(body) });

const BOLT = '<path d="M9 1.8 3.8 9H8l-1 5.2L12.2 7H8z"';

export const STATE_ICONS: Record<State, LabIcon> = {
  new: icon('new', '<circle cx="8" cy="8" r="5.2" stroke-dasharray="2 2.1"/>'),
  fresh: icon('fresh', '<path d="m3.2 8.6 3.2 3.2 6.4-7"/>'),
  served: icon('served', `${BOLT} fill="currentColor"/>`),
  servable: icon('servable', `${BOLT}/>`),
  edited: icon('edited', '<path d="M3 13l.7-3L10.6 3l2.4 2.4-7 6.9zM9 4.700l2.3 2.3"/>'),
  stale: icon('stale', '<path d="M13 8a5 5 0 1 1-1.6-3.700M13 2v3h-3"/>'),
  frozen: icon(
    'frozen',
    '<path d="M8 2v12M2.8 5l10.4 6M13.2 5 2.8 11M6.5 2.8 8 4.200l1.5-1.400M6.5 13.2 8 11.800l1.5 1.4"/>'
  ),
  always: icon(
    'always',
    '<path d="M2.5 7A4 4 0 0 1 6.5 4H13M10.8 1.8 13 4l-2.2 2.200M13.5 9a4 4 0 0 1-4 3H3M5.2 14.2 3 12l2.2-2.2"/>'
  ),
  running: icon('running', '<path d="M8 2.800A5.2 5.2 0 1 1 2.8 8"/>'),
  queued: icon('queued', '<circle cx="8" cy="8" r="5.2"/><path d="M8 5v3.200l2 1.4"/>'),
  saving: icon('saving', '<path d="M8 2.500v7M5 6.8 8 9.800l3-3M3 13h10"/>'),
  dispatching: icon('dispatching', '<path d="M2.5 8h10M9 4.5 12.5 8 9 11.5"/>'),
  blocked: icon('blocked', '<circle cx="8" cy="8" r="5.2"/><path d="m4.4 4.4 7.2 7.2"/>'),
  failed: icon('failed', '<path d="m4 4 8 8M12 4l-8 8"/>'),
  interrupted: icon('interrupted', '<path d="M5.5 4v8M10.5 4v8"/>')
};

const drawings = new Map<State, SVGElement>();

/** Return the drawing of a state as a node of its own, for the eye only; only the first one is parsed. */
export function drawing(state: State): Element {
  let found = drawings.get(state);
  if (!found) {
    const { svgstr } = STATE_ICONS[state] ?? STATE_ICONS.new;
    found = new DOMParser().parseFromString(svgstr, 'image/svg+xml')
      .documentElement as unknown as SVGElement;
    found.setAttribute('aria-hidden', 'true');
    found.setAttribute('class', 'strata-Badge-icon');
    drawings.set(state, found);
  }
  return document.importNode(found, true);
}

/** The mark of everything that is ours: layers. */
export const strataIcon = icon(
  'strata',
  '<path d="m8 2 6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3" stroke-width="1.3"/>'
);

export const graphIcon = icon(
  'graph',
  '<rect x="5.5" y="1.7" width="5" height="3.6" rx=".8"/><rect x="1.5" y="10.7" width="5" height="3.6" rx=".8"/><rect x="9.5" y="10.7" width="5" height="3.6" rx=".8"/><path d="M8 5.300V8M4 10.700V8h8v2.7"/>'
);

export const runStaleIcon = icon(
  'run-stale',
  '<path d="M12.8 8.500a5 5 0 1 1-1.4-4M12 1.800v3H9"/><path d="M6.8 6.200v4.200L10 8.300z" fill="currentColor" stroke-width="1"/>'
);

export const pinIcon = icon(
  'pin',
  '<path d="M5.5 2.300h5M6.300 2.300v4.200L4.200 9h7.600L9.700 6.500V2.300M8 9v5"/>'
);

export const minusIcon = icon('minus', '<path d="M3 8h10"/>');

export const fitIcon = icon(
  'fit',
  '<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.500H10M6 13.500H2.500V10"/>'
);

export const compareIcon = icon('compare', '<path d="M2.500 3H7v10H2.500zM9 3h4.500v10H9z"/>');

export const whyIcon = icon(
  'why',
  '<circle cx="8" cy="8" r="6"/><path d="M6 6.300A2 2 0 1 1 8 8.300v.9M8 11.600v.1"/>'
);

export const workersIcon = icon(
  'workers',
  '<path d="M2 3h12v4H2zM2 9h12v4H2z"/><path d="M4.500 5h.01M4.500 11h.01M8 5h3.500M8 11h3.500"/>'
);
