/** A badge on each code cell that says whether it is served, stale or running, and why. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { CodeCell } from '@jupyterlab/cells';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { type CommandRegistry } from '@lumino/commands';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { IRegistry, type IBench, type Registry } from '../registry';
import { CommandIDs, PACKAGE } from '../tokens';
import { Badge } from '../views/badge';
import { placer } from '../views/names';

/** The badges of one view of a notebook. */
class Badges implements IDisposable {
  constructor(
    private readonly _bench: IBench,
    private readonly _trans: TranslationBundle,
    private readonly _commands: CommandRegistry
  ) {
    const { panel, model } = _bench;
    this._place = placer(model, panel.context.model);
    // Not on changes of content, of which each key is one. The notebook listened first, so its widgets are there.
    panel.context.model.cells.changed.connect(this._synchronise, this);
    model.cellChanged.connect((_, id) => this._badges.get(id)?.update(), this);
    model.graphChanged.connect(this._synchronise, this);
    this._synchronise();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      Signal.disconnectReceiver(this);
      this._badges.forEach(badge => badge.dispose());
      this._badges.clear();
    }
  }

  private _synchronise(): void {
    const { panel, model } = this._bench;
    if (panel.isDisposed || (!model.isActive && this._badges.size === 0)) {
      return;
    }
    const present = new Map<string, CodeCell>();
    for (const cell of model.isActive ? panel.content.widgets : []) {
      if (cell.model.type === 'code') {
        present.set(cell.model.id, cell as CodeCell);
      }
    }
    for (const [id, badge] of this._badges) {
      if (badge.cell !== present.get(id)) {
        badge.dispose();
        this._badges.delete(id);
      }
    }
    for (const [id, cell] of present) {
      if (!this._badges.has(id)) {
        this._badges.set(id, this._badge(cell));
      }
    }
  }

  private _badge(cell: CodeCell): Badge {
    const onClick = () => {
      this._bench.panel.content.activeCellIndex = this._bench.panel.content.widgets.indexOf(cell);
      void this._commands.execute(CommandIDs.showWhy);
    };
    const { model } = this._bench;
    return new Badge({ cell, model, trans: this._trans, place: this._place, onClick });
  }

  private readonly _badges = new Map<string, Badge>();
  private _isDisposed = false;
  private readonly _place: (id: string) => string;
}

export const badges: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:badges`,
  description: 'Shows on each cell whether it is served, stale or running, and why.',
  autoStart: true,
  requires: [IRegistry],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, registry: Registry, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(PACKAGE);
    registry.follow(bench => new Badges(bench, trans, app.commands));
  }
};
