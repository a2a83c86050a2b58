/** Commands about the current notebook and one of its cells, there only where its kernel is ours. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { IRegistry, type IBench, type Registry } from './registry';
import { PACKAGE } from './tokens';

/** What is done; the cell is null where none is meant. */
type Act = (bench: IBench, cell: string | null, args: ReadonlyPartialJSONObject) => unknown;

export class CellCommands {
  constructor(
    private readonly _app: JupyterFrontEnd,
    private readonly _registry: Registry,
    private readonly _palette: ICommandPalette | null
  ) {
    _registry.currentChanged.connect(() =>
      this._ids.forEach(id => _app.commands.notifyCommandChanged(id))
    );
  }

  /** Add a command, to the palette too; options come before what all of them have. */
  add(
    id: string,
    label: CommandRegistry.ICommandOptions['label'],
    act: Act,
    options: Partial<CommandRegistry.ICommandOptions> = {}
  ): void {
    const available = () => this._registry.current !== null;
    this._app.commands.addCommand(id, {
      label,
      isEnabled: available,
      isVisible: available,
      describedBy: { args: { type: 'object', properties: { cell: { type: 'string' } } } },
      execute: args => {
        const bench = this._registry.current;
        return bench && act(bench, this.target(args), args);
      },
      ...options
    });
    this._ids.push(id);
    this._palette?.addItem({ command: id, category: 'Strata' });
  }

  /** The cell a command is about: what it was called for, was clicked on, or is selected. */
  target(args: ReadonlyPartialJSONObject): string | null {
    if (typeof args.cell === 'string') {
      return args.cell;
    }
    const hit = args.clicked
      ? this._app.contextMenuHitTest(node => node.dataset.cell !== undefined)
      : undefined;
    return hit?.dataset.cell ?? this._registry.currentCell;
  }

  private readonly _ids: string[] = [];
}

/** What a plugin of such commands begins with. */
export interface IStart {
  app: JupyterFrontEnd;
  registry: Registry;
  commands: CellCommands;
  trans: TranslationBundle;
}

/** A plugin that adds commands about cells, and may do more. */
export function plugin(
  id: string,
  description: string,
  start: (begun: IStart) => void
): JupyterFrontEndPlugin<void> {
  return {
    id,
    description,
    autoStart: true,
    requires: [IRegistry],
    optional: [ITranslator, ICommandPalette],
    activate: (
      app: JupyterFrontEnd,
      registry: Registry,
      translator: ITranslator | null,
      palette: ICommandPalette | null
    ) => {
      const trans = (translator ?? nullTranslator).load(PACKAGE);
      start({ app, registry, commands: new CellCommands(app, registry, palette), trans });
    }
  };
}
