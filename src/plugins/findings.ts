/** Underlines in the editors what the kernel finds wrong with directives and settings. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import type { CodeMirrorEditor } from '@jupyterlab/codemirror';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { underline, underlining } from '../editor/findings';
import { IRegistry, type IBench, type Registry } from '../registry';
import { PACKAGE } from '../tokens';

/** The findings in one view of a notebook. */
class Findings implements IDisposable {
  constructor(private readonly _bench: IBench) {
    _bench.model.cellChanged.connect(this._onCell, this);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.disconnectReceiver(this);
  }

  private _onCell(_: unknown, id: string): void {
    const items = this._bench.model.diagnostics(id);
    // Most cells never have any, and an edit can change the states of hundreds.
    if (items.length === 0 && !this._marked.has(id)) {
      return;
    }
    this._marked.add(id);
    const cell = this._bench.panel.content.widgets.find(widget => widget.model.id === id);
    void cell?.ready.then(() => this._show(cell, id));
  }

  private _show(cell: Cell, id: string): void {
    const editor = cell.isDisposed ? null : (cell.editor as CodeMirrorEditor | null);
    if (!editor || this._isDisposed) {
      return;
    }
    if (!this._prepared.has(editor)) {
      this._prepared.add(editor);
      editor.injectExtension(underlining);
    }
    underline(editor.editor, this._bench.model.diagnostics(id));
  }

  private _isDisposed = false;
  private readonly _marked = new Set<string>();
  private readonly _prepared = new WeakSet<CodeMirrorEditor>();
}

export const findings: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:findings`,
  description: 'Underlines what is wrong with the directives of a cell.',
  autoStart: true,
  requires: [IRegistry],
  activate: (_: JupyterFrontEnd, registry: Registry) =>
    registry.follow(bench => new Findings(bench))
};
