import type { ICompared } from '../rest';
import { lines } from '../views/comparison';

const variant = (results: ICompared['results'], shown: ICompared['shown'] = {}): ICompared => ({
  name: '',
  cell: '',
  state: 'cached',
  seconds: 1,
  results,
  shown
});

describe('lines', () => {
  it('has a line for each result, with gaps where a variant has none', () => {
    const found = lines([
      variant({ model: { score: '1', depth: '3' } }),
      variant({ model: { score: '2' } })
    ]);
    expect(found).toEqual([
      { title: 'score', cells: ['1', '2'], shown: false },
      { title: 'depth', cells: ['3', ''], shown: false }
    ]);
  });

  it('names the cell where two leave the same name, and ends with what was shown', () => {
    const found = lines([
      variant({ a: { x: '1' }, b: { x: '2' } }, { a: 'one' }),
      variant({}, { b: 'two' })
    ]);
    expect(found.map(line => line.title)).toEqual(['x (a)', 'x (b)', 'a', 'b']);
    expect(found.map(line => line.cells)).toEqual([
      ['1', ''],
      ['2', ''],
      ['one', ''],
      ['', 'two']
    ]);
  });
});
