/** All that is known of one notebook: the state of its cells, their graph, and answers to questions. No DOM. */
import { UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import type {
  CellOutputs,
  CellStatus,
  Diagnostic,
  Explanation,
  Forget,
  FromKernel,
  Inspection,
  Node,
  Pictures,
  Plan,
  Preview,
  Progress,
  RequestPreview,
  Reason,
  Schema,
  SettingsChanged
} from './protocol';
import { STALE, UNDER_WAY, type IChannel, type State } from './tokens';

/** What is known of a cell. */
export interface ICellFacts {
  readonly id: string;
  readonly state: State;
  readonly reasons: readonly Reason[];
  /** Whether its last run was served; null when none was seen. */
  readonly hit: boolean | null;
  readonly savedMs: number | null;
  readonly runMs: number | null;
  /** When the run behind its value ended, in milliseconds since the epoch. */
  readonly ranAt: number | null;
  readonly worker: string | null;
  readonly progress: Progress | null;
  /** When it began to run, in milliseconds since the epoch; null unless it runs. */
  readonly began: number | null;
  /** From when, and from which part on, its parts have really run: those that are served come all at once. */
  readonly pace: IPace | null;
}

export interface IPace {
  readonly at: number;
  readonly done: number;
}

/** Parts that follow each other so fast, in milliseconds, were served. */
const AT_ONCE = 50;

/** What the cache did for the cells in their present states. */
export interface ITally {
  total: number;
  served: number;
  servable: number;
  stale: number;
  savedMs: number;
}

type Answer = Plan | Inspection | Pictures | Preview | Schema | Explanation;

/** One notebook, as long as it is open, whatever kernels come and go. */
export class NotebookModel implements IDisposable {
  constructor(private readonly _channel: IChannel) {
    _channel.received.connect(this._onMessage, this);
    _channel.openChanged.connect(this._onOpen, this);
  }

  /** Whether a Strata kernel answers. */
  get isActive(): boolean {
    return this._channel.isOpen;
  }

  get version(): string {
    return this._version;
  }

  get options(): Readonly<Record<string, unknown>> {
    return this._options;
  }

  /** The code cells in the document's order. */
  get nodes(): readonly Node[] {
    return this._nodes;
  }

  /** The workers that cells may name. */
  get workers(): readonly string[] {
    return this._workers;
  }

  get activeChanged(): ISignal<this, boolean> {
    return this._activeChanged;
  }

  /** Emits the id of a cell whose facts or diagnostics changed. */
  get cellChanged(): ISignal<this, string> {
    return this._cellChanged;
  }

  get graphChanged(): ISignal<this, void> {
    return this._graphChanged;
  }

  get outputsReceived(): ISignal<this, CellOutputs> {
    return this._outputsReceived;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Return what is known of a cell; one that waits for its turn is queued, whatever it was. */
  cell(id: string): ICellFacts | null {
    const facts = this._cells.get(id) ?? null;
    return facts && this._waiting.has(id) ? { ...facts, state: 'queued', reasons: [] } : facts;
  }

  /** Return the findings on a cell. */
  diagnostics(id: string): readonly Diagnostic[] {
    return this._diagnostics.get(id) ?? [];
  }

  /** All findings with their cells; those on no cell in particular have an empty id. */
  get findings(): [string, Diagnostic][] {
    return [...this._diagnostics].flatMap(([id, items]) =>
      items.map((item): [string, Diagnostic] => [id, item])
    );
  }

  /** Return the ids of the cells in such a state, in the document's order. */
  select(test: (facts: ICellFacts) => boolean): string[] {
    return this._nodes.map(node => node.id).filter(id => test(this._cells.get(id) ?? unknown(id)));
  }

  /** Return the ids of cells to run so that every value is as a fresh run of the notebook would give it. */
  stale(): string[] {
    // A cell that always runs is current once it has been seen to run.
    return this.select(
      ({ state, hit }) =>
        STALE.has(state) || state === 'servable' || (state === 'always' && hit === null)
    );
  }

  /** Count what the cache did. */
  tally(): ITally {
    const tally = { total: this._nodes.length, served: 0, servable: 0, stale: 0, savedMs: 0 };
    for (const { id } of this._nodes) {
      const { state, hit, savedMs, runMs } = this._cells.get(id) ?? unknown(id);
      if (state === 'served' || (hit && !STALE.has(state))) {
        tally.served++;
        tally.savedMs += savedMs ?? runMs ?? 0;
      } else if (state === 'servable') {
        tally.servable++;
      }
      tally.stale += Number(STALE.has(state));
    }
    return tally;
  }

  /** Say that cells wait for their turn, which the kernel cannot know. */
  expect(ids: Iterable<string>): void {
    for (const id of ids) {
      if (!this._waiting.has(id)) {
        this._waiting.add(id);
        this._cellChanged.emit(id);
      }
    }
  }

  /** Take back that cells wait, all of them by default. */
  release(ids: Iterable<string> = [...this._waiting]): void {
    for (const id of ids) {
      if (this._waiting.delete(id)) {
        this._cellChanged.emit(id);
      }
    }
  }

  /** Ask what running these cells would do; all of them when there are none. */
  async plan(targets: string[], mode: 'stale' | 'force' = 'stale'): Promise<Plan> {
    return (await this.ask(id => ({ type: 'request-plan', id, targets, mode }))) as Plan;
  }

  /** Ask about a cell. */
  async inspect(cell: string): Promise<Inspection> {
    return (await this.ask(id => ({ type: 'request-inspect', id, cell }))) as Inspection;
  }

  /** Ask to see a value that a cell left, or that a pass of it left; of a table, these rows. */
  async preview(wanted: Omit<RequestPreview, 'type' | 'id'>): Promise<Preview> {
    return (await this.ask(id => ({ type: 'request-preview', id, ...wanted }))) as Preview;
  }

  /** Ask the kernel what has no method of its own here. */
  ask(request: (id: string) => Parameters<IChannel['send']>[0]): Promise<Answer> {
    if (!this.isActive) {
      return Promise.reject(new Error('No Strata kernel answers.'));
    }
    const id = UUID.uuid4();
    return new Promise((resolve, reject) => {
      this._asked.set(id, { resolve, reject });
      this._channel.send(request(id));
    });
  }

  /** Let these cells run anew the next time they run; resolves once the kernel knows. */
  async refresh(cells: string[]): Promise<void> {
    this._channel.send({ type: 'refresh', cells });
    // Messages are taken in their order, so the answer to a later one says that this one was.
    await this.inspect(cells[0]);
  }

  /** Say what was done beside the kernel: cells are not kept any more, or other things are declared. */
  tell(message: Forget | SettingsChanged): void {
    this._channel.send(message);
  }

  /** Change options of the kernel's session. */
  setOption(options: Record<string, unknown>): void {
    this._options = { ...this._options, ...options };
    this._channel.send({ type: 'set-option', options });
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._abandon();
      Signal.clearData(this);
    }
  }

  private _onMessage(_: IChannel, message: FromKernel): void {
    switch (message.type) {
      case 'welcome':
        this._version = message.version;
        this._options = message.options ?? {};
        break;
      case 'graph':
        this._setNodes(message.cells);
        break;
      case 'cell-status':
        this._setStatus(message);
        break;
      case 'cell-statuses':
        message.items.forEach(item => this._setStatus(item));
        break;
      case 'cell-outputs':
        this._outputsReceived.emit(message);
        break;
      case 'workers':
        this._workers = message.items.map(item => item.name);
        break;
      case 'diagnostics':
        this._diagnostics.set(message.id, message.items);
        this._cellChanged.emit(message.id);
        break;
      default: // an answer, or a newer kernel's
        this._asked.get(message.id)?.resolve(message);
        this._asked.delete(message.id);
    }
  }

  private _setNodes(nodes: Node[]): void {
    // Most edits leave the graph as it is: whoever drew it sees that from its identity.
    if (JSON.stringify(nodes) !== JSON.stringify(this._nodes)) {
      this._nodes = nodes;
    }
    const ids = new Set(nodes.map(node => node.id));
    for (const id of [...this._cells.keys()].filter(known => !ids.has(known))) {
      this._cells.delete(id);
      this._diagnostics.delete(id);
      this._waiting.delete(id);
      this._cellChanged.emit(id);
    }
    this._graphChanged.emit();
  }

  private _setStatus(status: CellStatus): void {
    const before = this._cells.get(status.id);
    const running = status.state === 'running' || status.state === 'dispatching';
    if (!UNDER_WAY.has(status.state) || running) {
      this._waiting.delete(status.id);
    }
    this._cells.set(status.id, {
      id: status.id,
      state: status.state,
      reasons: status.reasons ?? [],
      hit: status.hit ?? before?.hit ?? null,
      savedMs: status.savedMs ?? null,
      runMs: status.runMs ?? null,
      ranAt: status.ranAt ?? null,
      worker: status.worker ?? null,
      progress: status.progress ?? null,
      began: running ? (before?.began ?? Date.now()) : null,
      pace: status.progress ? pace(status.progress, before) : null
    });
    this._cellChanged.emit(status.id);
  }

  private _onOpen(_: IChannel, open: boolean): void {
    // Another kernel, or the same one with an empty memory: what was known is not so any more.
    const known = [...this._cells.keys()];
    this._cells.clear();
    this._diagnostics.clear();
    this._waiting.clear();
    this._nodes = [];
    this._abandon();
    this._activeChanged.emit(open);
    this._graphChanged.emit();
    known.forEach(id => this._cellChanged.emit(id));
  }

  private _abandon(): void {
    for (const { reject } of this._asked.values()) {
      reject(new Error('The kernel went away before it answered.'));
    }
    this._asked.clear();
  }

  private readonly _asked = new Map<
    string,
    { resolve: (answer: Answer) => void; reject: (reason: Error) => void }
  >();
  private readonly _cells = new Map<string, ICellFacts>();
  private readonly _diagnostics = new Map<string, Diagnostic[]>();
  private readonly _waiting = new Set<string>();
  private _isDisposed = false;
  private _nodes: Node[] = [];
  private _options: Record<string, unknown> = {};
  private _version = '';
  private _workers: string[] = [];
  private readonly _activeChanged = new Signal<this, boolean>(this);
  private readonly _cellChanged = new Signal<this, string>(this);
  private readonly _graphChanged = new Signal<this, void>(this);
  private readonly _outputsReceived = new Signal<this, CellOutputs>(this);
}

function unknown(id: string): ICellFacts {
  const none = { hit: null, savedMs: null, runMs: null, ranAt: null, worker: null };
  return { id, state: 'new', reasons: [], ...none, progress: null, began: null, pace: null };
}

function pace({ done, label }: Progress, facts?: ICellFacts): IPace {
  const at = Date.now();
  const before = facts?.progress?.label === label ? facts?.pace : null;
  return before && done >= before.done && at - before.at >= AT_ONCE ? before : { at, done };
}
