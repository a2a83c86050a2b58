/** Tells the kernel the document: whole when a channel opens, then what changed once edits have settled. */
import type { INotebookModel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import type { Cell, DocumentPatch } from './protocol';
import type { IChannel } from './tokens';
import { active } from './variants';

/** Milliseconds without an edit after which it is told; and after one of many, as someone types, who is not to be held up. */
export const [SETTLED, TYPED] = [120, 200];
/** Edits that follow each other within so many milliseconds are one, told in parts, or are typing. */
const [ONE, TYPING] = [20, 400];

type Kept = ReadonlyMap<string, Cell>;

/** Return the patch that leads from one document to the next, without a revision; null when they are equal. */
export function difference(before: Kept, after: Kept): Omit<DocumentPatch, 'revision'> | null {
  const cells = [...after.values()].filter(cell => {
    const old = before.get(cell.id);
    return !old || old.source !== cell.source || old.kind !== cell.kind;
  });
  // The kernel keeps code cells only, so one that becomes code needs its place told.
  const moved = cells.some(cell => before.get(cell.id)?.kind !== cell.kind);
  const ids = [...after.keys()];
  const same = ids.length === before.size && [...before.keys()].every((id, i) => id === ids[i]);
  if (same && cells.length === 0) {
    return null;
  }
  return { type: 'document-patch', cells, ...(same && !moved ? {} : { order: ids }) };
}

/** Follows one notebook and speaks to one channel. */
export class DocumentFeed implements IDisposable {
  constructor(
    private readonly _notebook: INotebookModel,
    private readonly _channel: IChannel
  ) {
    _notebook.contentChanged.connect(this._onChanged, this);
    _notebook.metadataChanged.connect(this._onChanged, this);
    _channel.openChanged.connect(this._onOpen, this);
    this._onOpen();
  }

  /** Emits the ids of edited and new cells after the kernel was told of them. */
  get told(): ISignal<this, string[]> {
    return this._told;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Tell at once what has changed. */
  flush(): void {
    if (!this._channel.isOpen || this._isDisposed) {
      return;
    }
    const now = this._read();
    const patch = difference(this._sent, now);
    const variants = active(this._notebook);
    const switched = JSON.stringify(variants) !== JSON.stringify(this._variants);
    if (patch || switched) {
      this._sent = now;
      this._variants = variants;
      const more = switched ? { variants } : {};
      this._channel.send({
        type: 'document-patch',
        ...patch,
        ...more,
        revision: ++this._revision
      });
      this._told.emit((patch?.cells ?? []).map(cell => cell.id));
    }
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      clearTimeout(this._due);
      Signal.clearData(this);
    }
  }

  private _read(): Kept {
    const found = new Map<string, Cell>();
    for (const { id, type, sharedModel } of this._notebook.cells) {
      found.set(id, { id, kind: type, source: sharedModel.getSource() });
    }
    return found;
  }

  private _onOpen(): void {
    if (this._channel.isOpen) {
      this._sent = this._read();
      this._variants = active(this._notebook);
      const [cells, variants] = [[...this._sent.values()], this._variants];
      this._channel.send({ type: 'document', revision: ++this._revision, cells, variants });
    }
  }

  private _onChanged(): void {
    if (this._channel.isOpen) {
      const since = Date.now() - this._edited;
      this._edited += since;
      if (since > ONE) {
        this._wait = since < TYPING ? TYPED : SETTLED;
      }
      clearTimeout(this._due);
      this._due = setTimeout(() => this.flush(), this._wait);
    }
  }

  private _due?: ReturnType<typeof setTimeout>;
  private _edited = 0;
  private _isDisposed = false;
  private _revision = 0;
  private _sent: Kept = new Map();
  private _variants: Record<string, string> = {};
  private _wait = SETTLED;
  private readonly _told = new Signal<this, string[]>(this);
}
