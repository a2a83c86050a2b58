import { nullTranslator } from '@jupyterlab/translation';
import type { ICellFacts } from '../model';
import { STATE_ICONS } from '../views/icons';
import { badge, bytes, duration, reason, sentence, word } from '../views/words';
import { decisions, reasons } from '../views/why';

const trans = nullTranslator.load('');
const facts = (more: Partial<ICellFacts>): ICellFacts => ({
  id: 'a',
  state: 'new',
  reasons: [],
  hit: null,
  savedMs: null,
  runMs: null,
  worker: null,
  progress: null,
  began: null,
  ranAt: null,
  pace: null,
  ...more
});

describe('words', () => {
  it.each([
    [0.2, '0 ms'],
    [12.4, '12 ms'],
    [999, '999 ms'],
    [1234, '1.2 s'],
    [12_600, '13 s'],
    [250_000, '4 min 10 s'],
    [240_000, '4 min'],
    [3_600_000, '1 h'],
    [5_400_000, '1 h 30 min']
  ])('say %d milliseconds', (ms, text) => expect(duration(ms)).toBe(text));

  it.each([
    [0, '0 B'],
    [28, '28 B'],
    [24_100, '24.1 kB'],
    [512_000_000, '512 MB']
  ])('say %d bytes', (size, text) => expect(bytes(size)).toBe(text));

  it('say in a badge the number that matters', () => {
    expect(badge(facts({ state: 'served', savedMs: 250_000 }), 0, trans)).toBe(
      'served · 4 min 10 s'
    );
    expect(badge(facts({ state: 'servable', runMs: 900 }), 0, trans)).toBe(
      'will be served · 900 ms'
    );
    expect(badge(facts({ state: 'running', began: 1000 }), 1500, trans)).toBe('running');
    expect(badge(facts({ state: 'running', began: 1000 }), 4000, trans)).toBe('running · 3.0 s');
    const progress = { done: 2, total: 5 };
    expect(badge(facts({ state: 'running', progress }), 0, trans)).toBe('running · 2/5');
    const under = { state: 'running', progress, began: 1000 } as const;
    // One of its parts was served at once, the other took two seconds; three are left.
    expect(badge(facts({ ...under, pace: { at: 1000, done: 1 } }), 3000, trans)).toBe(
      'running · 2/5 · 2.0 s · about 6.0 s left'
    );
    expect(badge(facts({ state: 'running', worker: 'gpu', began: 1000 }), 43_000, trans)).toBe(
      'running on gpu · 42 s'
    );
    const reasons = [{ code: 'usage', text: '1,204 tokens in, 96 out, 0.0125' }];
    expect(badge(facts({ state: 'frozen', reasons }), 0, trans)).toMatch(
      /^frozen · 1.300 tokens · 0\.01[23]$/
    );
    expect(badge(facts({ state: 'fresh', worker: 'gpu', runMs: 900 }), 0, trans)).toBe(
      'ran on gpu · 900 ms'
    );
    expect(badge(facts({ state: 'dispatching', worker: 'gpu' }), 0, trans)).toBe(
      'dispatching → gpu'
    );
  });

  it.each([
    ['running', 'fetching', 120e6, 300e6, 'running on gpu · fetching 120 of 300 MB'],
    ['running', 'writing', 0, 2.5e9, 'running on gpu · writing 0 of 2.5 GB'],
    ['dispatching', 'sending', 40.26e6, 256e6, 'sending 40.3 of 256 MB → gpu'],
    ['running', 'receiving', 999, 1500, 'receiving 1 of 1.5 kB ← gpu'],
    ['running', 'something newer', 1, 4, 'running on gpu · 1/4']
  ] as const)('say of a cell that is %s how far %s has come', (state, label, done, total, text) => {
    const said = facts({ state, worker: 'gpu', progress: { done, total, label } });
    expect(badge(said, 0, trans)).toBe(text);
    expect(badge({ ...said, pace: { at: 0, done: 0 } }, 2000, trans)).toMatch(
      done ? /^.* · about [\d.]+ (s|min.*) left$/ : text
    );
  });

  it('have a word, a sentence and an icon of its own for every state', () => {
    const states = Object.keys(STATE_ICONS) as ICellFacts['state'][];
    expect(new Set(states.map(state => word(state, trans))).size).toBe(15);
    expect(new Set(states.map(state => sentence(facts({ state }), trans))).size).toBe(15);
    expect(new Set(states.map(state => STATE_ICONS[state].svgstr)).size).toBe(15);
  });

  it('say where a reason lies', () => {
    const changed = { code: 'changed', text: '`df` changed', cell: 'b' };
    expect(reason(changed, 'a', () => '[3]')).toBe('`df` changed in [3]');
    expect(reason({ ...changed, cell: 'a', line: 4 }, 'a', String)).toBe('`df` changed, line 4');
  });

  it("are taken out of the kernel's text", () => {
    const text =
      'cell b (c1)\nran in 2 s\n  - `x` changed (in c0)\nnow: stale\n  - `x` changed (in c0)';
    expect(decisions(text)).toEqual(['ran in 2 s']);
    expect(reasons(text, id => (id === 'c0' ? '[1]' : id))).toEqual([
      '`x` changed in [1]',
      '`x` changed in [1]'
    ]);
  });
});
