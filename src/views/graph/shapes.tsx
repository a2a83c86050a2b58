/** A box and an edge of the graph. */
import * as React from 'react';
import { STATE_ICONS } from '../icons';
import type { State } from '../../tokens';
import { curve, edgeText, type IBox, type IPath } from './sketch';

export interface IBoxProps {
  box: IBox;
  state: State;
  /** The badge's text. */
  text: string;
  title: string;
  selected: boolean;
  /** Neither found nor related to what the pointer is on. */
  dim: boolean;
  tabIndex: number;
}

const ICON = 13;

/** A cell; it listens to nothing, as the drawing listens for all of them. */
export const Box = React.memo(function Box(props: IBoxProps): JSX.Element {
  const { box, state, text, title, selected, dim, tabIndex } = props;
  const [left, top] = [box.x - box.width / 2, box.y - box.height / 2];
  const room = Math.floor((box.width - 34) / 6.4);
  const label = box.label.length > room ? `${box.label.slice(0, room - 1)}…` : box.label;
  const classes = [
    'strata-Graph-node',
    'strata-State',
    selected && 'strata-mod-selected',
    dim && 'strata-mod-dim'
  ];
  return (
    <g
      className={classes.filter(Boolean).join(' ')}
      data-cell={box.id}
      data-state={state}
      transform={`translate(${left} ${top})`}
      tabIndex={tabIndex}
      role="button"
      aria-label={`${box.label}: ${text}`}
      aria-pressed={selected}
    >
      {title && <title>{title}</title>}
      <rect className="strata-Graph-box" width={box.width} height={box.height} rx={4} />
      <rect className="strata-Graph-stripe" width={4} height={box.height} rx={2} />
      <use
        className="strata-Graph-icon"
        href={`#strata-state-${state}`}
        x={12}
        y={(box.height - ICON) / 2}
        width={ICON}
        height={ICON}
      />
      <text className="strata-Graph-label" x={31} y={16}>
        {label}
      </text>
      <text className="strata-Graph-state" x={31} y={29}>
        {text}
      </text>
    </g>
  );
});

/** What boxes and edges refer to: one drawing per state, and the end of an edge. */
export const Shared = React.memo(function Shared(): JSX.Element {
  const states = Object.entries(STATE_ICONS).map(([state, { svgstr }]) => (
    <symbol
      key={state}
      id={`strata-state-${state}`}
      viewBox="0 0 16 16"
      dangerouslySetInnerHTML={{ __html: svgstr.replace(/^<svg[^>]*>|<\/svg>$/g, '') }}
    />
  ));
  return (
    <defs>
      {states}
      <marker
        id="strata-arrow"
        viewBox="0 0 8 8"
        refX="7"
        refY="4"
        markerUnits="userSpaceOnUse"
        markerWidth="8"
        markerHeight="8"
        orient="auto"
      >
        <path className="strata-Graph-arrow" d="M0 .5 8 4 0 7.5z" />
      </marker>
    </defs>
  );
});

export interface IEdgeProps {
  path: IPath;
  lit: boolean;
  dim: boolean;
}

/** What one cell reads from another. */
export const Edge = React.memo(function Edge({ path, lit, dim }: IEdgeProps): JSX.Element {
  const middle = path.points[Math.floor(path.points.length / 2)];
  const classes = ['strata-Graph-edge', lit && 'strata-mod-lit', dim && 'strata-mod-dim'];
  return (
    <g className={classes.filter(Boolean).join(' ')}>
      <title>{path.names.join(', ')}</title>
      <path d={curve(path.points)} markerEnd="url(#strata-arrow)" />
      {path.names.length > 0 && (
        <text x={middle.x} y={middle.y + 3} textAnchor="middle">
          {edgeText(path.names)}
        </text>
      )}
    </g>
  );
});
