/** The connections of a notebook: whether their databases can be reached, and the tables in them as a tree. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { caretDownEmptyIcon, caretRightIcon, refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { rows, type IReach } from '../catalogue';
import type { IConnection } from '../rest';
import { STATE_ICONS } from './icons';
import { Button, Change, List } from './placebuttons';
import { Tree } from './tree';

/** Tables that are shown at once; the filter finds the others. */
const MOST = 200;

export interface IConnectionsProps {
  connections: readonly IConnection[];
  file: string;
  /** What is known of a connection's database. */
  reach: (connection: string) => IReach;
  /** The connections whose tables are shown, and what is typed to find some, by name. */
  browsed: ReadonlySet<string>;
  filters: ReadonlyMap<string, string>;
  trans: TranslationBundle;
  onAdd: () => void;
  onEdit: (item: IConnection) => void;
  onRemove: (name: string) => void;
  onLook: (name: string) => void;
  onBrowse: (name: string) => void;
  onFilter: (name: string, text: string) => void;
  onToggle: (name: string, table: string) => void;
}

const ENGINES: Record<string, string> = {
  bigquery: 'BigQuery',
  duckdb: 'DuckDB',
  postgres: 'PostgreSQL',
  postgresql: 'PostgreSQL',
  snowflake: 'Snowflake',
  sqlite: 'SQLite',
  sqlite3: 'SQLite'
};

/** Say in one line whether a database is reached, and what it is. */
export function answer(reach: IReach, trans: TranslationBundle): string {
  if (reach.asking) {
    return trans.__('asking…');
  }
  if (reach.reason !== null) {
    return reach.reason.split('\n')[0];
  }
  if (reach.tables === null) {
    return trans.__('not asked');
  }
  const count = trans._n('%1 table', '%1 tables', reach.tables.length);
  return [reach.engine, count].filter(Boolean).join(' · ');
}

/** Say where a database is. */
export function whereabouts({ driver, where }: IConnection, trans: TranslationBundle): string {
  return [
    ENGINES[driver.toLowerCase()] ?? driver,
    where || trans.__('where the driver looks')
  ].join(' · ');
}

function Tables(props: IConnectionsProps & { connection: IConnection }): JSX.Element {
  const { connection, reach, filters, trans, onFilter, onToggle } = props;
  const { name } = connection;
  const known = reach(name);
  const filter = filters.get(name) ?? '';
  const found = rows(known, filter, MOST);
  if (!known.tables) {
    return <></>;
  }
  if (!known.tables.length) {
    return <p className="strata-Places-empty">{trans.__('There are no tables yet.')}</p>;
  }
  return (
    <div className="strata-Tables">
      <input
        className="jp-mod-styled"
        type="search"
        value={filter}
        placeholder={trans.__('Find tables and columns')}
        aria-label={trans.__('Find tables of %1', name)}
        spellCheck={false}
        onChange={event => onFilter(name, event.target.value)}
      />
      {found.rows.length > 0 ? (
        <Tree
          label={trans.__('Tables of %1', name)}
          rows={found.rows}
          onToggle={row => onToggle(name, row.id)}
        />
      ) : (
        <p className="strata-Places-empty">{trans.__('No table is named so.')}</p>
      )}
      {found.more > 0 && (
        <p className="strata-Places-empty">{trans.__('%1 more: narrow the search', found.more)}</p>
      )}
    </div>
  );
}

function ConnectionItem(props: IConnectionsProps & { connection: IConnection }): JSX.Element {
  const { connection, reach, browsed, file, trans, onEdit, onRemove, onLook, onBrowse } = props;
  const { name } = connection;
  const known = reach(name);
  const state = known.reason !== null ? 'failed' : known.tables === null ? 'new' : 'fresh';
  const [Icon, words] = [STATE_ICONS[state], answer(known, trans)];
  const shown = browsed.has(name);
  return (
    <li className="strata-Places-item" data-name={name}>
      <div className="strata-Places-line">
        <Button
          icon={shown ? caretDownEmptyIcon : caretRightIcon}
          label={shown ? trans.__('Hide tables of %1', name) : trans.__('Show tables of %1', name)}
          expanded={shown}
          onClick={() => onBrowse(name)}
        />
        <span className="strata-Places-icon strata-State" data-state={state}>
          <Icon.react tag="span" aria-hidden="true" />
        </span>
        <span className="strata-Places-name">{name}</span>
        <Button icon={refreshIcon} label={trans.__('Test %1', name)} onClick={() => onLook(name)} />
        <Change
          item={connection}
          file={file}
          trans={trans}
          onEdit={() => onEdit(connection)}
          onRemove={() => onRemove(name)}
        />
      </div>
      <div className="strata-Places-detail">{whereabouts(connection, trans)}</div>
      <div className="strata-Places-detail" role="status" title={known.reason ?? words}>
        {words}
      </div>
      {shown && <Tables {...props} />}
    </li>
  );
}

export function Connections(props: IConnectionsProps): JSX.Element {
  const { connections, trans, onAdd } = props;
  return (
    <List
      title={trans.__('Connections')}
      add={trans.__('Add a connection')}
      none={trans.__('No database is declared; %1 reads DataFrames and files by itself.', '%%sql')}
      onAdd={onAdd}
    >
      {connections.map(connection => (
        <ConnectionItem key={connection.name} {...props} connection={connection} />
      ))}
    </List>
  );
}
