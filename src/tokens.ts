/** What the layers agree on: the channel to a kernel, states of cells, and names. */
import type { IObservableDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import type { CellStatus, FromFrontend, FromKernel } from './protocol';

/** Ids of plugins and names of settings begin with it. */
export const PACKAGE = 'strata-labextension';

/** The version of the messages that this frontend speaks, and the comm that carries them. */
export const PROTOCOL = 1;
export const TARGET = 'strata';

export type State = CellStatus['state'];

/** A way to speak to a Strata kernel; `isOpen` only between its welcome and its end. */
export interface IChannel extends IObservableDisposable {
  readonly isOpen: boolean;
  /** A kernel was asked whether it is ours and has answered, whatever it said. */
  readonly openChanged: ISignal<IChannel, boolean>;
  readonly received: ISignal<IChannel, FromKernel>;
  /** Send a message; it is dropped while the channel is not open. */
  send(message: FromFrontend): void;
}

/** States in which a cell has no value that the document as it stands would give it. */
export const STALE: ReadonlySet<State> = new Set<State>([
  'new',
  'edited',
  'stale',
  'blocked',
  'failed',
  'interrupted'
]);

/** States that end by themselves. */
export const UNDER_WAY: ReadonlySet<State> = new Set<State>(['queued', 'running', 'dispatching']);

export namespace CommandIDs {
  export const runStale = 'strata:run-stale';
  export const runCell = 'strata:run-cell';
  export const runNeeded = 'strata:run-with-needed';
  export const runDependents = 'strata:run-dependents';
  export const runForced = 'strata:run-forced';
  export const planFirst = 'strata:plan-run';
  export const toggleFrozen = 'strata:toggle-frozen';
  export const refreshFrozen = 'strata:refresh-frozen';
  export const togglePin = 'strata:toggle-pin';
  export const clearCell = 'strata:clear-cell';
  export const clearNotebook = 'strata:clear-notebook';
  export const collectStore = 'strata:collect-store';
  export const setReactive = 'strata:set-reactive';
  export const addVariant = 'strata:add-variant';
  export const compareVariants = 'strata:compare-variants';
  export const explainQuery = 'strata:explain-query';
  export const chooseWorker = 'strata:choose-worker';
  export const showPlaces = 'strata:show-places';
  export const showWhy = 'strata:show-why';
  export const showGraph = 'strata:show-graph';
  export const openGraph = 'strata:open-graph';
  export const exportGraph = 'strata:export-graph';
  export const showSummary = 'strata:show-summary';
}
