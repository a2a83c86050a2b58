/** The worker of a cell: chosen from those that are declared, and written as a directive. */
import { InputDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { plugin } from '../commands';
import { directive, withDirective } from '../directives';
import type { IBench } from '../registry';
import { CommandIDs, PACKAGE } from '../tokens';

/** Ask where a cell runs, and write it at its head. */
async function choose({ model, panel }: IBench, id: string, trans: TranslationBundle) {
  const cell = panel.content.widgets.find(widget => widget.model.id === id);
  if (!cell) {
    return;
  }
  const { sharedModel } = cell.model;
  const unnamed = trans.__('What the settings say');
  const now = directive(sharedModel.getSource(), 'worker');
  const items = [unnamed, 'local', ...model.workers.filter(name => name !== 'local')];
  const { button, value } = await InputDialog.getItem({
    title: trans.__('Where does this cell run?'),
    items,
    current: Math.max(items.indexOf(now ?? unnamed), 0),
    okLabel: trans.__('Choose')
  });
  if (button.accept && value !== null) {
    const source = sharedModel.getSource();
    sharedModel.setSource(withDirective(source, 'worker', value === unnamed ? null : value));
  }
}

export const workers = plugin(
  `${PACKAGE}:workers`,
  'Chooses the worker of a cell.',
  ({ commands, trans }) =>
    commands.add(
      CommandIDs.chooseWorker,
      trans.__('Choose Worker of Cell…'),
      (bench, cell) => cell && choose(bench, cell, trans),
      { caption: trans.__('Choose the machine that runs the cell') }
    )
);
