/** The form of a connection: what it shows, what it stands for, and what is not to leave it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IConnection } from '../rest';
import { kept, type IField, type Values } from './fields';

/** Other names of the engines. */
const ALIASES: Record<string, string> = { postgres: 'postgresql', sqlite3: 'sqlite' };
const VARIABLE = /^\$\{[A-Za-z_]\w*\}$/;

/** The lines of the form. */
export function fields(trans: TranslationBundle): IField[] {
  const isServer = (values: Values) => values.driver === 'postgresql';
  const isFile = (values: Values) => !isServer(values);
  return [
    { key: 'name', label: trans.__('Name'), hint: 'shop' },
    {
      key: 'driver',
      label: trans.__('Kind of database'),
      choices: ['sqlite', 'duckdb', 'postgresql']
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
    {
      key: 'user',
      label: trans.__('User'),
      hint: trans.__('ada, or ${SHOP_USER}'),
      when: isServer
    },
    {
      key: 'password',
      label: trans.__('Password'),
      hint: '${SHOP_PASSWORD}',
      note: trans.__(
        'A variable of the environment that the kernel starts in, as ${SHOP_PASSWORD}: secrets never stand in the file.'
      ),
      when: isServer
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
    user: auth.user || text('user'),
    password: auth.password ?? ''
  };
}

/** Return why the form's values are not to leave it; empty when they may. */
export function refusal(values: Values, trans: TranslationBundle): string {
  const { driver, name, password, port, uri } = values;
  if (driver !== 'postgresql') {
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
  const auth = kept({ ...before.auth, user: secret ? user : '', password });
  return kept({
    ...before,
    driver,
    path: server ? '' : path,
    uri: server ? (uri ?? '') : before.uri && !path ? before.uri : '',
    host: server ? host : '',
    port: server && port ? Number(port) : '',
    dbname: server ? dbname : '',
    user: server && !secret ? user : '',
    auth: server && Object.keys(auth).length ? auth : null
  });
}
