import { nullTranslator } from '@jupyterlab/translation';
import { Catalogue, rows, type IReach } from '../catalogue';
import { NotebookModel } from '../model';
import type { IConnection } from '../rest';
import { config, fields, refusal, shown } from '../views/connectionform';
import { answer, whereabouts } from '../views/connections';
import { declaration } from '../views/placeform';
import { step } from '../views/tree';
import { FakeChannel, settle } from './kernel';

const trans = nullTranslator.load('');
const reach = (more: Partial<IReach>): IReach => ({
  asking: false,
  engine: null,
  tables: null,
  reason: null,
  columns: new Map(),
  ...more
});
const server = (more: Record<string, unknown> = {}): IConnection => ({
  name: 'shop',
  driver: 'postgresql',
  where: 'db/shop',
  config: { driver: 'postgresql', host: 'db', dbname: 'shop', ...more },
  written: true
});

describe('connections', () => {
  it.each([
    [reach({}), 'not asked'],
    [reach({ asking: true }), 'asking…'],
    [reach({ engine: 'SQLite 3.40', tables: ['a'] }), 'SQLite 3.40 · 1 table'],
    [reach({ engine: 'DuckDB 2', tables: [] }), 'DuckDB 2 · 0 tables'],
    [reach({ reason: 'there is no file x\nfurther' }), 'there is no file x']
  ])('say what is reached', (found, text) => {
    expect(answer(found, trans)).toBe(text);
  });

  it('say where they are', () => {
    expect(whereabouts(server(), trans)).toBe('PostgreSQL · db/shop');
    const file = { ...server(), driver: 'sqlite3', where: 'a.db' };
    expect(whereabouts(file, trans)).toBe('SQLite · a.db');
    expect(whereabouts({ ...server(), where: '' }, trans)).toContain('where the driver looks');
  });

  it('a form leaves what it does not show', () => {
    const auth = { user: '${SHOP_USER}', password: '${SHOP_PASSWORD}', extra: '${X}' };
    const item = server({ sslmode: 'require', port: 5433, auth });
    const values = shown(item);
    expect(values).toMatchObject({ user: '${SHOP_USER}', password: '${SHOP_PASSWORD}' });
    expect(declaration(values, item, 'connection')).toEqual({
      name: 'shop',
      former: 'shop',
      config: item.config
    });
    const renamed = { ...values, name: 'store', user: 'ada', password: '', port: '' };
    expect(declaration(renamed, item, 'connection')).toEqual({
      name: 'store',
      former: 'shop',
      config: {
        driver: 'postgresql',
        host: 'db',
        dbname: 'shop',
        sslmode: 'require',
        user: 'ada',
        auth: { extra: '${X}' }
      }
    });
  });

  it('another kind of database wants other things', () => {
    const item = server({ auth: { password: '${P}' } });
    const values = { ...shown(item), driver: 'duckdb', path: 'a.duckdb' };
    expect(config(values, item)).toEqual({ driver: 'duckdb', path: 'a.duckdb' });
    const uri = server({ uri: 'postgresql://db/shop', host: undefined });
    expect(shown(uri).uri).toBe('postgresql://db/shop');
    expect(config(shown(uri), uri)).toMatchObject({ uri: 'postgresql://db/shop' });
    expect(shown(null)).toMatchObject({ driver: 'sqlite', path: '' });
    expect(shown({ ...server(), driver: 'postgres' }).driver).toBe('postgresql');
  });

  it('warehouses are told by their account or project', () => {
    const auth = { user: '${U}', password: '${P}', token: '${T}' };
    const told = { driver: 'snowflake', account: 'ab1', role: 'READER', write_role: 'WRITER' };
    const flake: IConnection = { ...server(), driver: 'snowflake', config: { ...told, auth } };
    expect(config(shown(flake), flake)).toEqual(flake.config);
    const query = { driver: 'bigquery', project: 'p', auth: { credentials: '${C}' } };
    const item: IConnection = { ...server(), driver: 'bigquery', config: query };
    expect(config(shown(item), item)).toEqual(query);
    const file = { ...shown(flake), driver: 'duckdb', path: 'a.db' };
    expect(config(file, flake)).toEqual({ driver: 'duckdb', path: 'a.db', write_role: 'WRITER' });
    expect(config({ ...shown(server()), driver: 'bigquery', project: 'p' }, server())).toEqual({
      driver: 'bigquery',
      project: 'p'
    });
    expect(config(shown(server({ role: 'r' })), server())).toMatchObject({ dbname: 'shop' });
    expect(config(shown(server()), server({ role: 'r' }))).toMatchObject({ role: 'r' });
    const drawn = fields(trans).filter(field => field.when?.(shown(flake)) ?? true);
    expect(drawn.map(field => field.key)).toEqual([
      ...['name', 'driver', 'account', 'database', 'schema', 'warehouse', 'role'],
      ...['user', 'password']
    ]);
    expect(refusal({ ...shown(flake), password: 'hush' }, trans)).toContain('never stands');
    expect(whereabouts({ ...flake, where: 'ab1/SHOP' }, trans)).toBe('Snowflake · ab1/SHOP');
  });

  it('secrets do not leave the form', () => {
    const values = shown(server());
    expect(refusal(values, trans)).toBe('');
    expect(refusal({ ...values, password: '${SHOP_PASSWORD}' }, trans)).toBe('');
    expect(refusal({ ...values, password: 'hush' }, trans)).toContain('${SHOP_PASSWORD}');
    expect(refusal({ ...values, uri: 'postgresql://a:b@db' }, trans)).toContain('never stands');
    expect(refusal({ ...values, port: 'x' }, trans)).toContain('number');
    expect(refusal({ ...values, driver: 'sqlite', password: 'hush' }, trans)).toBe('');
  });
});

describe('Catalogue', () => {
  function opened() {
    const channel = new FakeChannel();
    const model = new NotebookModel(channel);
    channel.open();
    const changed = jest.fn();
    const catalogue = new Catalogue(model, changed);
    const say = (more: object, place = channel.sent.length - 1) => {
      const { id } = channel.sent[place] as { id: string };
      channel.say({ type: 'schema', id, connection: 'shop', ...more });
      return settle();
    };
    return { channel, catalogue, changed, say };
  }

  it('asks for tables, and for columns once somebody opens a table', async () => {
    const { channel, catalogue, changed, say } = opened();
    void catalogue.look('shop');
    expect(catalogue.get('shop').asking).toBe(true);
    expect(channel.sent).toMatchObject([{ type: 'request-schema', connection: 'shop' }]);
    await say({ engine: 'SQLite 3', tables: ['a', 'b'] });
    expect(catalogue.get('shop')).toMatchObject({ asking: false, tables: ['a', 'b'] });
    void catalogue.open('shop', 'b');
    expect(channel.sent[1]).toMatchObject({ table: 'b' });
    expect(catalogue.get('shop').columns.get('b')).toBeNull();
    await say({ table: 'b', columns: [{ name: 'x', type: 'REAL' }] });
    expect(catalogue.get('shop').columns.get('b')).toEqual([{ name: 'x', type: 'REAL' }]);
    changed.mockClear();
    catalogue.close('shop', 'b');
    expect(catalogue.get('shop').columns.size).toBe(0);
    expect(changed).toHaveBeenCalledTimes(1);
  });

  it('asks anew for what is open, and forgets what is gone', async () => {
    const { channel, catalogue, say } = opened();
    void catalogue.look('shop');
    await say({ tables: ['a', 'b'] });
    void catalogue.open('shop', 'a');
    await say({ columns: [] });
    void catalogue.open('shop', 'b');
    void catalogue.look('shop');
    await say({ tables: ['a'] });
    expect(channel.sent.slice(4)).toMatchObject([{ table: 'a' }]);
    await say({ columns: [] }, 2); // of a table that is not open any more
    expect([...catalogue.get('shop').columns.keys()]).toEqual(['a']);
    void catalogue.look('shop');
    const place = channel.sent.length - 1;
    void catalogue.open('shop', 'a'); // while tables are asked for
    await say({ columns: [{ name: 'x', type: 'TEXT' }] });
    await say({ tables: ['a'] }, place);
    expect(catalogue.get('shop').columns.get('a')).toHaveLength(1);
    void catalogue.look('shop');
    catalogue.forget('shop');
    await say({ tables: ['of another file'] });
    expect(catalogue.get('shop').tables).toBeNull();
  });

  it('tells why nothing is told', async () => {
    const { channel, catalogue, say } = opened();
    void catalogue.look('shop');
    await say({ reason: 'there is no file' });
    expect(catalogue.get('shop')).toMatchObject({ reason: 'there is no file', tables: null });
    void catalogue.look('shop');
    channel.open(false);
    await settle();
    expect(catalogue.get('shop').reason).toContain('went away');
  });
});

describe('a tree of tables', () => {
  const columns = new Map([['orders', [{ name: 'total', type: 'REAL' }]]]);
  const known = reach({ tables: ['clients', 'orders', 'stock'], columns });

  it('shows what is open, and finds tables and columns', () => {
    const all = rows(known, '', 10).rows;
    expect(all.map(({ level, label }) => `${level} ${label}`)).toEqual([
      '1 clients',
      '1 orders',
      '2 total',
      '1 stock'
    ]);
    expect(rows(known, 'CLI', 10).rows.map(({ label }) => label)).toEqual(['clients']);
    expect(rows(known, 'tot', 10).rows[0].label).toBe('orders');
    expect(rows(known, '', 2)).toMatchObject({ more: 1, rows: { length: 3 } });
    const refused = reach({ tables: ['x'], columns: new Map([['x', 'no right']]) });
    expect(rows(refused, '', 2).rows).toMatchObject([{ detail: 'no right', open: true }]);
  });

  it('is walked by keys', () => {
    const all = rows(known, '', 10).rows;
    expect(step(all, 0, 'ArrowDown')).toEqual({ to: 1 });
    expect(step(all, 0, 'ArrowUp')).toEqual({ to: 0 });
    expect(step(all, 1, 'End')).toEqual({ to: 3 });
    expect(step(all, 3, 'Home')).toEqual({ to: 0 });
    expect(step(all, 0, 'ArrowRight')).toEqual({ toggle: 0 });
    expect(step(all, 1, 'ArrowRight')).toEqual({ to: 2 });
    expect(step(all, 2, 'ArrowRight')).toBeNull();
    expect(step(all, 2, 'ArrowLeft')).toEqual({ to: 1 });
    expect(step(all, 1, 'ArrowLeft')).toEqual({ toggle: 1 });
    expect(step(all, 0, 'ArrowLeft')).toBeNull();
    expect(step(all, 2, 'Enter')).toBeNull();
    expect(step(all, 3, ' ')).toEqual({ toggle: 3 });
    expect(step(all, 3, 'x')).toBeNull();
  });
});
