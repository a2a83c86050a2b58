/** Commands that take care of what is kept: pin it, clear it, make room. */
import { Dialog, Notification, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { plugin, type CellCommands } from '../commands';
import { saved, type IBench, type Registry } from '../registry';
import { CommandIDs, PACKAGE } from '../tokens';
import { bytes } from '../views/words';

/** The commands' side of the plugin. */
class Kept {
  constructor(
    private readonly _registry: Registry,
    private readonly _trans: TranslationBundle
  ) {}

  /** Remove what is kept of one cell, or of all after a question. */
  async clear(bench: IBench, cell: string | null): Promise<void> {
    const trans = this._trans;
    if (cell === null && !(await this._sure(bench))) {
      return;
    }
    const { removed, left } = await this._registry.rest.clear(
      await saved(bench),
      cell ?? undefined
    );
    const cells = cell === null ? bench.model.nodes.map(node => node.id) : [cell];
    bench.model.tell({ type: 'forget', cells });
    const parts = [
      trans._n('%1 kept run cleared', '%1 kept runs cleared', removed, removed),
      ...(left ? [trans.__('%1 left in the shared store', left)] : [])
    ];
    Notification.info(parts.join(' · '), { autoClose: 3000 });
  }

  /** Keep what stands for a cell from collections, or let it be collected again. */
  async togglePin(bench: IBench, cell: string): Promise<void> {
    const path = await saved(bench);
    const { pinned } = (await this._registry.rest.kept(path, cell)).cell;
    await this._registry.rest.pin(path, cell, !pinned);
    const text = pinned
      ? this._trans.__('Not pinned any more')
      : this._trans.__('Pinned: what is kept of this cell stays');
    Notification.info(text, { autoClose: 3000 });
  }

  /** Remove from the store what was used least recently, down to its limit. */
  async collect(bench: IBench): Promise<void> {
    const { removed, freed } = await this._registry.rest.collect(bench.panel.context.path);
    const text = this._trans.__('%1 freed, %2 runs removed', bytes(freed), removed);
    Notification.info(text, { autoClose: 4000 });
  }

  private async _sure({ model }: IBench): Promise<boolean> {
    const trans = this._trans;
    const { button } = await showDialog({
      title: trans.__('Clear what is kept of this notebook?'),
      body: trans.__('Its %1 code cells will run anew the next time.', model.nodes.length),
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Clear') })]
    });
    return button.accept;
  }
}

/** Add the commands; each tells the user when the server refuses. */
function addCommands(commands: CellCommands, kept: Kept, trans: TranslationBundle): void {
  const add = (id: string, label: string, act: (bench: IBench, cell: string | null) => unknown) =>
    commands.add(id, label, async (bench, cell) => {
      try {
        await act(bench, cell);
      } catch (error) {
        await showErrorMessage(label, error as Error);
      }
    });
  add(CommandIDs.togglePin, trans.__('Pin or Unpin What Is Kept of Cell'), (bench, cell) =>
    cell ? kept.togglePin(bench, cell) : undefined
  );
  add(CommandIDs.clearCell, trans.__('Clear What Is Kept of Cell'), (bench, cell) =>
    cell ? kept.clear(bench, cell) : undefined
  );
  add(CommandIDs.clearNotebook, trans.__('Clear What Is Kept of Notebook…'), bench =>
    kept.clear(bench, null)
  );
  add(CommandIDs.collectStore, trans.__('Make Room in the Store'), bench => kept.collect(bench));
}

export const kept = plugin(
  `${PACKAGE}:kept`,
  'Pins and clears what is kept of cells, and makes room in the store.',
  ({ registry, commands, trans }) => addCommands(commands, new Kept(registry, trans), trans)
);
