/** Shows queries in the colours of SQL: the editor takes every code cell for the kernel's language. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { IRegistry, type IBench, type Registry } from '../registry';
import { PACKAGE } from '../tokens';

/** Of the dialects that JupyterLab brings, the one in which `#` begins a comment, as it does in directives. */
const SQL = 'text/x-mysql';

/** The sql cells in one view of a notebook, by what the kernel takes them for. */
class Queries implements IDisposable {
  constructor(private readonly _bench: IBench) {
    _bench.model.graphChanged.connect(this._show, this);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.disconnectReceiver(this);
  }

  private _show(): void {
    const { model, panel } = this._bench;
    const queries = new Set(model.nodes.filter(({ kind }) => kind === 'sql').map(({ id }) => id));
    if (!queries.size && !this._shown.size) {
      return;
    }
    for (const { model: cell } of panel.content.widgets) {
      // The notebook gives all of its cells another language when it learns of the kernel's.
      const wanted = queries.has(cell.id)
        ? SQL
        : this._shown.has(cell.id)
          ? panel.content.codeMimetype
          : cell.mimeType;
      if (cell.mimeType !== wanted) {
        cell.mimeType = wanted;
      }
    }
    this._shown = queries;
  }

  private _isDisposed = false;
  private _shown: ReadonlySet<string> = new Set();
}

export const queries: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:queries`,
  description: 'Shows sql cells in the colours of SQL.',
  autoStart: true,
  requires: [IRegistry],
  activate: (_: JupyterFrontEnd, registry: Registry) => registry.follow(bench => new Queries(bench))
};
