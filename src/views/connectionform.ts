/** The form of a connection: what it shows, what it stands for, and what is not to leave it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IConnection } from '../rest';
import { kept, type IField, type Values } from './fields';

/** Other names of the engines. */
const ALIASES: Record<string, string> = { postgres: 'postgresql', sqlite3: 'sqlite' };
/** What warehouses are told by. */
const TOLD: Record<string, readonly string[]> = {
  snowflake: ['account', 'database', 'schema', 'warehouse', 'role'],
  bigquery: ['project', 'dataset', 'location', 'credentials_path']
};
const HINTS: Record<string, string> = {
  account: 'ab12345.eu-central-1',
  role: 'READER',
  credentials_path: 'key.json'
};
const VARIABLE = /^\$\{[A-Za-z_]\w*\}$/;

/** The lines of the form. */
export function fields(trans: TranslationBundle): IField[] {
  const isServer = (values: Values) => values.driver === 'postgresql';
  const isFile = (values: Values) => !isServer(values) && !(values.driver in TOLD);
  const hasUser = (values: Values) => isServer(values) || values.driver === 'snowflake';
  const labels: Record<string, string> = {
    account: trans.__('Account'),
    database: trans.__('Database'),
    schema: trans.__('Schema'),
    warehouse: trans.__('Warehouse'),
    role: trans.__('Role that only reads'),
    project: trans.__('Project'),
    dataset: trans.__('Dataset'),
    location: trans.__('Location'),
    credentials_path: trans.__('File of credentials')
  };
  return [
    { key: 'name', label: trans.__('Name'), hint: 'shop' },
    {
      key: 'driver',
      label: trans.__('Kind of database'),
      choices: ['sqlite', 'duckdb', 'postgresql', 'snowflake', 'bigquery']
    },
    {
      key: 'path',
      label: trans.__('File'),
      hint: trans.__('shop.db, from the notebook’s folder'),
      when: isFile
    },
    {
      key: 'uri',
      label: trans.__('Address'),
      hint: 'postgresql://db/shop',
      when: values => isServer(values) && 'uri' in values
    },
    { key: 'host', label: trans.__('Host'), hint: 'localhost', when: isServer },
    { key: 'port', label: trans.__('Port'), hint: '5432', when: isServer },
    { key: 'dbname', label: trans.__('Database'), hint: 'shop', when: isServer },
    ...Object.entries(TOLD).flatMap(([driver, keys]) =>
      keys.map(key => ({
        key,
        label: labels[key],
        hint: HINTS[key],
        when: (values: Values) => values.driver === driver
      }))
    ),
    {
      key: 'user',
      label: trans.__('User'),
      hint: trans.__('ada, or ${SHOP_USER}'),
      when: hasUser
    },
    {
      key: 'password',
      label: trans.__('Password'),
      hint: '${SHOP_PASSWORD}',
      note: trans.__(
        'A variable of the environment that the kernel starts in, as ${SHOP_PASSWORD}: secrets never stand in the file.'
      ),
      when: hasUser
    }
  ];
}

/** Return what the form shows of a connection. */
export function shown(item: IConnection | null): Values {
  const config = item?.config ?? {};
  const auth = (config.auth ?? {}) as Record<string, string>;
  const text = (key: string) => String(config[key] ?? '');
  const driver = item?.driver.toLowerCase() ?? 'sqlite';
  return {
    name: item?.name ?? '',
    driver: ALIASES[driver] ?? driver,
    path: text('path'),
    ...(config.uri ? { uri: text('uri') } : {}),
    host: text('host'),
    port: text('port'),
    dbname: text('dbname'),
    ...Object.fromEntries((TOLD[driver] ?? []).map(key => [key, text(key)])),
    user: auth.user || text('user'),
    password: auth.password ?? ''
  };
}

/** Return why the form's values are not to leave it; empty when they may. */
export function refusal(values: Values, trans: TranslationBundle): string {
  const { driver, name, password, port, uri } = values;
  if (driver !== 'postgresql' && driver !== 'snowflake') {
    return '';
  }
  if ((password && !VARIABLE.test(password)) || /:\/\/[^/@]*:[^/]*@/.test(uri ?? '')) {
    const variable = `${name || 'shop'}_password`.toUpperCase().replace(/\W/g, '_');
    return trans.__(
      'A password never stands in the file. Write ${%1} as password, and set that variable where JupyterLab starts.',
      variable
    );
  }
  return port && !/^\d+$/.test(port) ? trans.__('A port is a number.') : '';
}

/** Return what is declared by the form; what it does not show stays as it was. */
export function config(values: Values, item: IConnection | null): Record<string, unknown> {
  const { driver, path, uri, host, port, dbname, user, password } = values;
  const secret = VARIABLE.test(user);
  const before = (item?.config ?? {}) as Record<string, Record<string, unknown>>;
  const server = driver === 'postgresql';
  const named = server || driver === 'snowflake';
  const auth = named
    ? kept({ ...before.auth, user: secret ? user : '', password })
    : driver === String(before.driver)
      ? (before.auth ?? {})
      : {};
  const told = (keys: readonly string[], value: (key: string) => string) =>
    Object.fromEntries(keys.map(key => [key, value(key)]));
  return kept({
    ...before,
    ...told(TOLD[String(before.driver)] ?? [], () => ''),
    ...told(TOLD[driver] ?? [], key => values[key] ?? ''),
    driver,
    path: server ? '' : path,
    uri: server ? (uri ?? '') : before.uri && !path ? before.uri : '',
    host: server ? host : '',
    port: server && port ? Number(port) : '',
    dbname: server ? dbname : '',
    user: named && !secret ? user : '',
    auth: Object.keys(auth).length ? auth : null
  });
}
