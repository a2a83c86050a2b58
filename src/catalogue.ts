/** What is known of the databases behind connections, looked at by a kernel when somebody opens them. No DOM. */
import type { NotebookModel } from './model';
import type { Column, Schema } from './protocol';

/** What a connection reaches; what was not asked yet, or cannot be told, is null. */
export interface IReach {
  readonly asking: boolean;
  readonly engine: string | null;
  readonly tables: readonly string[] | null;
  /** Why nothing can be told. */
  readonly reason: string | null;
  /** The tables that somebody opened, with their columns, or with why there are none; null while they are asked for. */
  readonly columns: ReadonlyMap<string, readonly Column[] | string | null>;
}

/** A row of a tree, from the top; `open` is null for one that has nothing below. */
export interface IRow {
  readonly id: string;
  readonly level: number;
  readonly label: string;
  readonly detail: string;
  readonly open: boolean | null;
  readonly place: number;
  readonly count: number;
}

const UNKNOWN: IReach = {
  asking: false,
  engine: null,
  tables: null,
  reason: null,
  columns: new Map()
};

/** How long a kernel may take to answer, in milliseconds; an older one never does. */
const PATIENCE = 60_000;

/** What one notebook's kernel has told so far. */
export class Catalogue {
  constructor(
    private readonly _model: NotebookModel,
    /** Is called when anything else is known. */
    private readonly _changed: () => void
  ) {}

  get(connection: string): IReach {
    return this._reaches.get(connection) ?? UNKNOWN;
  }

  /** Forget what was told of a connection. */
  forget(connection: string): void {
    this._asked.delete(connection);
    this._reaches.delete(connection);
    this._changed();
  }

  /** Ask which engine there is and what tables it has; columns that were open are asked for again. */
  async look(connection: string): Promise<void> {
    const known = [...this.get(connection).columns.keys()];
    this._set(connection, { asking: true, reason: null });
    const turn = ++this._turn;
    this._asked.set(connection, turn);
    const { engine, tables, reason } = await this._ask(connection);
    if (this._asked.get(connection) !== turn) {
      return; // it has been declared anew, or asked again
    }
    // Some may have been opened or closed in the meantime.
    const open = [...this.get(connection).columns].filter(([table]) => tables?.includes(table));
    const columns = new Map(open);
    this._set(connection, {
      asking: false,
      engine: engine ?? null,
      tables: tables ?? null,
      reason: reason ?? null,
      columns
    });
    const again = known.filter(table => columns.has(table));
    await Promise.all(again.map(table => this._askColumns(connection, table)));
  }

  /** Show the columns of a table, which are asked for now. */
  async open(connection: string, table: string): Promise<void> {
    this._setColumns(connection, table, null);
    await this._askColumns(connection, table);
  }

  /** Show no columns of a table. */
  close(connection: string, table: string): void {
    const columns = new Map(this.get(connection).columns);
    columns.delete(table);
    this._set(connection, { columns });
  }

  private async _askColumns(connection: string, table: string): Promise<void> {
    const { columns, reason } = await this._ask(connection, table);
    if (this.get(connection).columns.has(table)) {
      this._setColumns(connection, table, columns ?? reason ?? '');
    }
  }

  private async _ask(connection: string, table?: string): Promise<Schema> {
    const refused = (reason: string): Schema => ({ type: 'schema', id: '', connection, reason });
    const asked = this._model.ask(id => ({ type: 'request-schema', id, connection, table }));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<Schema>(resolve => {
      timer = setTimeout(() => resolve(refused('The kernel does not answer.')), PATIENCE);
    });
    try {
      return (await Promise.race([asked, late])) as Schema;
    } catch (error) {
      return refused((error as Error).message);
    } finally {
      clearTimeout(timer);
    }
  }

  private _set(connection: string, known: Partial<IReach>): void {
    this._reaches.set(connection, { ...this.get(connection), ...known });
    this._changed();
  }

  private _setColumns(connection: string, table: string, found: Column[] | string | null): void {
    const columns = new Map(this.get(connection).columns).set(table, found);
    this._set(connection, { columns });
  }

  /** The question about each connection that was asked last. */
  private readonly _asked = new Map<string, number>();
  private _turn = 0;
  private readonly _reaches = new Map<string, IReach>();
}

/** Return the rows of a tree of tables and their columns, at most so many tables, and how many more there are. */
export function rows(reach: IReach, filter: string, most: number): { rows: IRow[]; more: number } {
  const wanted = filter.trim().toLowerCase();
  const has = (text: string) => text.toLowerCase().includes(wanted);
  const known = (table: string) => {
    const columns = reach.columns.get(table);
    return Array.isArray(columns) ? (columns as Column[]) : [];
  };
  const found = (reach.tables ?? []).filter(
    table => has(table) || known(table).some(({ name }) => has(name))
  );
  const shown = found.slice(0, most).flatMap((table, i): IRow[] => {
    const columns = known(table);
    const open = reach.columns.has(table);
    const told = reach.columns.get(table);
    return [
      {
        id: table,
        level: 1,
        label: table,
        detail: typeof told === 'string' ? told : '',
        open,
        place: i + 1,
        count: found.length
      },
      ...columns.map(({ name, type }, j) => ({
        id: `${table}\n${name}`,
        level: 2,
        label: name,
        detail: type,
        open: null,
        place: j + 1,
        count: columns.length
      }))
    ];
  });
  return { rows: shown, more: Math.max(0, found.length - most) };
}
