/** What needs no kernel, asked of the server: the store, what it keeps of a notebook on disk, and taking care of it. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/** Where the store is and what it holds; sizes in bytes. */
export interface IStore {
  path: string;
  remote: string | null;
  size: number;
  limit: number;
  entries: number;
  pins: number;
}

/** What a collection removed and left; sizes in bytes. */
export interface ICollection {
  removed: number;
  freed: number;
  kept_bytes: number;
}

/** A piece of an artifact: on this machine, in the shared store, in the record itself, or nowhere any more. */
export interface IPlace {
  where: 'local' | 'remote' | 'manifest' | 'missing';
  size: number;
}

/** A named output, or a file, of a cell's newest kept run. */
export interface IArtifact {
  name: string;
  kind: string;
  type: string;
  size: number | null;
  version: string;
  stored: IPlace[];
}

/** What is kept of a cell; `current` tells whether it stands for the cell as it is. */
export interface IKept {
  cell: { pinned: boolean };
  current: boolean;
  key: string | null;
  artifacts: IArtifact[];
}

/** As much of a file as can be shown without running anybody's code. */
export interface IFile {
  table: {
    columns: string[];
    types: string[];
    rows: unknown[][];
    offset: number;
    total: number | null;
  } | null;
  text: string | null;
  image: { media_type: string; base64: string } | null;
}

/** One variant as the store has it: by label of the cell, the numbers that it left and what it showed. */
export interface ICompared {
  name: string;
  cell: string;
  state: string;
  seconds: number | null;
  results: Record<string, Record<string, string>>;
  shown: Record<string, string>;
}

/** What the settings declare beside the store; `written` ones stand in the settings file and can be changed. */
export interface IDeclared {
  file: string;
  /** The worker of cells that name none. */
  worker: string;
  workers: IWorker[];
  mounts: IMount[];
  connections: IConnection[];
  problems: string[];
}

export interface IWorker {
  name: string;
  backend: string;
  address: string;
  runtime_id: string | null;
  config: Record<string, unknown>;
  written: boolean;
}

/** A mount, and what is kept of it here: `size` in bytes, `fetched` in seconds since the epoch. */
export interface IMount {
  name: string;
  uri: string;
  mode: string;
  pin: string | null;
  options: Record<string, unknown>;
  written: boolean;
  files: number;
  size: number;
  fetched: number | null;
}

/** A connection to a database: `config` is all that is declared, without literal secrets. */
export interface IConnection {
  name: string;
  driver: string;
  where: string;
  config: Record<string, unknown>;
  written: boolean;
}

/** How a worker is; `state` is ok, draining, or the word for what is wrong, `latency` in milliseconds. */
export interface IHealth {
  state: string;
  text: string;
  latency: number | null;
  active: number | null;
  capacity: number | null;
  python: string;
  version: string;
  protocols: string[];
}

/** The lists in a settings file, and one member as it is written; `former` names the one it takes the place of. */
export type Place = 'worker' | 'mount' | 'connection';
export type Item = IWorker | IMount | IConnection;
export type Declaration = Record<string, unknown> & { name: string; former?: string };

/** The routes below `strata/`; every method rejects with the server's sentence when it refuses. */
export class Rest {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  store(path: string): Promise<IStore> {
    return this._ask('GET', 'store', { path });
  }

  collect(path: string): Promise<ICollection> {
    return this._ask('POST', 'store/gc', { path });
  }

  kept(path: string, cell: string): Promise<IKept> {
    return this._ask('GET', 'cell', { path, cell });
  }

  file(path: string, cell: string, name: string, offset: number, limit: number): Promise<IFile> {
    return this._ask('GET', 'artifact', { path, cell, name, offset, limit });
  }

  /** The variants of each group side by side. */
  async variants(path: string): Promise<{ group: string; variants: ICompared[] }[]> {
    return (await this._ask<{ groups: [] }>('GET', 'variants', { path })).groups;
  }

  /** Remove what is kept of a cell, or of all cells. */
  clear(path: string, cell?: string): Promise<{ removed: number; left: number }> {
    return this._ask('DELETE', 'entries', cell ? { path, cell } : { path });
  }

  declared(path: string): Promise<IDeclared> {
    return this._ask('GET', 'declared', { path });
  }

  /** Ask a declared worker how it is. */
  health(path: string, name: string): Promise<IHealth> {
    return this._ask('GET', 'worker', { path, name });
  }

  declare(place: Place, path: string, body: Declaration): Promise<IDeclared> {
    return this._ask('PUT', place, { path }, body);
  }

  withdraw(place: Place, path: string, name: string): Promise<IDeclared> {
    return this._ask('DELETE', place, { path, name });
  }

  pin(path: string, cell: string, pinned: boolean): Promise<unknown> {
    return this._ask(pinned ? 'PUT' : 'DELETE', 'pin', { path, cell });
  }

  private async _ask<T>(
    method: string,
    route: string,
    query: Record<string, string | number>,
    body?: Declaration
  ): Promise<T> {
    const texts = Object.entries(query).map(([name, value]) => [name, String(value)]);
    const url =
      URLExt.join(this._settings.baseUrl, 'strata', route) +
      URLExt.objectToQueryString(Object.fromEntries(texts));
    const init = body ? { method, body: JSON.stringify(body) } : { method };
    const answer = await ServerConnection.makeRequest(url, init, this._settings);
    const found = await answer.json();
    if (!answer.ok) {
      throw new Error(found.message ?? answer.statusText);
    }
    return found as T;
  }
}
