/** The graph of the cells, in the right sidebar and in the main area. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { IRegistry, type Registry } from '../registry';
import { CommandIDs, PACKAGE } from '../tokens';
import { GraphPanel, type ISubject } from '../views/graph/panel';
import { graphIcon } from '../views/icons';
import { placer } from '../views/names';
import { select } from '../views/navigate';

/** What a panel shows now. */
function subject(app: JupyterFrontEnd, registry: Registry): ISubject | null {
  const bench = registry.current;
  if (!bench) {
    return null;
  }
  const { panel, model } = bench;
  return {
    model,
    selected: registry.currentCell,
    title: PathExt.basename(panel.context.path, '.ipynb'),
    place: placer(model, panel.context.model),
    select: id => void select(panel, id),
    jump: id => {
      app.shell.activateById(panel.id);
      select(panel, id);
    }
  };
}

export const graph: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:graph`,
  description: 'Shows the graph of the cells with their states.',
  autoStart: true,
  requires: [IRegistry],
  optional: [ITranslator, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    registry: Registry,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load(PACKAGE);
    const panels = new Set<GraphPanel>();
    const present = () => panels.forEach(panel => panel.present(subject(app, registry)));
    const make = (id: string) => {
      const panel = new GraphPanel(trans);
      panel.id = id;
      panel.title.icon = graphIcon;
      panel.title.caption = trans.__('Graph of the cells');
      panels.add(panel);
      panel.disposed.connect(() => panels.delete(panel));
      present();
      return panel;
    };
    const side = make(`${PACKAGE}-graph`);
    app.shell.add(side, 'right', { rank: 801, type: 'Strata' });
    restorer?.add(side, side.id);
    registry.currentChanged.connect(present);
    registry.cellSelected.connect(present);

    const available = {
      isEnabled: () => registry.current !== null,
      describedBy: { args: { type: 'object', properties: {} } }
    };
    const { commands, shell } = app;
    commands.addCommand(CommandIDs.showGraph, {
      ...available,
      label: trans.__('Show Graph'),
      icon: graphIcon,
      execute: () => shell.activateById(side.id)
    });
    commands.addCommand(CommandIDs.openGraph, {
      ...available,
      label: trans.__('Open Graph in Main Area'),
      icon: graphIcon,
      execute: () => {
        const content = make(`${PACKAGE}-graph-main-content`);
        const widget = new MainAreaWidget({ content });
        widget.id = `${PACKAGE}-graph-main`;
        widget.title.label = trans.__('Graph');
        widget.title.icon = graphIcon;
        shell.add(widget, 'main', { mode: 'split-right', type: 'Strata' });
      }
    });
    commands.addCommand(CommandIDs.exportGraph, {
      isEnabled: () => [...panels].some(panel => panel.isVisible),
      label: args => trans.__('Save Graph as %1', args.format === 'mermaid' ? 'Mermaid' : 'SVG'),
      describedBy: {
        args: {
          type: 'object',
          properties: { format: { type: 'string', enum: ['svg', 'mermaid'] } }
        }
      },
      execute: args => {
        const visible = [...panels].find(panel => panel.isVisible);
        visible?.export(args.format === 'mermaid' ? 'mermaid' : 'svg');
      }
    });
    for (const command of [CommandIDs.showGraph, CommandIDs.openGraph]) {
      palette?.addItem({ command, category: 'Strata' });
    }
    for (const format of ['svg', 'mermaid']) {
      palette?.addItem({ command: CommandIDs.exportGraph, args: { format }, category: 'Strata' });
    }
  }
};
