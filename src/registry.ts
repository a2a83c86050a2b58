/** One model per notebook, shared by its views and gone with it. */
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel, INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import { Connection } from './connection';
import { DocumentFeed } from './document';
import { NotebookModel } from './model';
import { Queue } from './queue';
import { Rest } from './rest';
import { PACKAGE } from './tokens';

type Context = DocumentRegistry.IContext<INotebookModel>;

/** A view of a notebook with what is known of the notebook. */
export interface IBench {
  readonly panel: NotebookPanel;
  readonly model: NotebookModel;
  readonly feed: DocumentFeed;
  readonly queue: Queue;
}

/** Save a notebook that was changed: the server knows what lies on the disk. */
export async function saved({ panel }: IBench): Promise<string> {
  const { context } = panel;
  if (context.model.dirty) {
    await context.save();
  }
  return context.path;
}

export const IRegistry = new Token<Registry>(
  `${PACKAGE}:IRegistry`,
  'What is known of the cells of each open notebook.'
);

/** All open notebooks. */
export class Registry {
  constructor(
    private readonly _tracker: INotebookTracker,
    /** What the server answers without a kernel. */
    readonly rest: Rest
  ) {
    _tracker.currentChanged.connect(() => this._currentChanged.emit());
    _tracker.activeCellChanged.connect(() => this._cellSelected.emit());
  }

  /** The notebook that the user looks at, or looked at last; null when its kernel is none of ours. */
  get current(): IBench | null {
    const panel = this._tracker.currentWidget;
    const bench = panel && this.get(panel);
    return bench?.model.isActive ? bench : null;
  }

  /** Emits when `current` may be another. */
  get currentChanged(): ISignal<this, void> {
    return this._currentChanged;
  }

  /** Emits when another cell of the current notebook is selected. */
  get cellSelected(): ISignal<this, void> {
    return this._cellSelected;
  }

  /** The id of the cell that is selected in the current notebook. */
  get currentCell(): string | null {
    return this.current?.panel.content.activeCell?.model.id ?? null;
  }

  /** Return what belongs to a view; made when it is first asked for. */
  get(panel: NotebookPanel): IBench | null {
    if (panel.isDisposed || !panel.context.isReady) {
      return null;
    }
    const context: Context = panel.context;
    let parts = this._parts.get(context);
    if (!parts) {
      const connection = new Connection(
        context.sessionContext,
        () => context.path,
        () => !!context.model.collaborative
      );
      const model = new NotebookModel(connection);
      const feed = new DocumentFeed(context.model, connection);
      model.activeChanged.connect(() => this._currentChanged.emit());
      const queue = new Queue(connection, () => model.workers.length > 0);
      this._parts.set(context, (parts = { model, feed, queue }));
      context.disposed.connect(() =>
        [queue, feed, model, connection].forEach(part => part.dispose())
      );
    }
    return { panel, ...parts };
  }

  /** Do something for every view there is and will be; what it returns is disposed with the view. */
  follow(begin: (bench: IBench) => IDisposable): void {
    const add = (panel: NotebookPanel) =>
      void panel.context.ready.then(() => {
        const bench = this.get(panel);
        if (bench) {
          const made = begin(bench);
          panel.disposed.connect(() => made.dispose());
        }
      });
    this._tracker.forEach(add);
    this._tracker.widgetAdded.connect((_, panel) => add(panel));
  }

  private readonly _cellSelected = new Signal<this, void>(this);
  private readonly _currentChanged = new Signal<this, void>(this);
  private readonly _parts = new WeakMap<Context, Omit<IBench, 'panel'>>();
}
