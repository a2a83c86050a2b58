import { difference } from '../document';

const document = (...cells: [string, string, string?][]) =>
  new Map(cells.map(([id, source, kind = 'code']) => [id, { id, source, kind }]));

describe('difference', () => {
  it('is nothing between equal documents', () => {
    expect(difference(document(['a', '1']), document(['a', '1']))).toBeNull();
  });

  it('holds the edited cells alone', () => {
    const patch = difference(document(['a', '1'], ['b', '2']), document(['a', '1'], ['b', '3']));
    expect(patch).toEqual({
      type: 'document-patch',
      cells: [{ id: 'b', source: '3', kind: 'code' }]
    });
  });

  it('holds the order when a cell comes, goes or moves', () => {
    const [a, b, c] = [
      ['a', '1'],
      ['b', '2'],
      ['c', '3']
    ] as [string, string][];
    expect(difference(document(a, b), document(b, a))).toMatchObject({
      cells: [],
      order: ['b', 'a']
    });
    expect(difference(document(a, b), document(b))).toMatchObject({ cells: [], order: ['b'] });
    expect(difference(document(a, b), document(a, c, b))).toMatchObject({ order: ['a', 'c', 'b'] });
  });

  it('holds the order when a cell becomes code', () => {
    const patch = difference(
      document(['a', '1', 'markdown'], ['b', '2']),
      document(['a', '1'], ['b', '2'])
    );
    expect(patch).toMatchObject({ cells: [{ id: 'a', kind: 'code' }], order: ['a', 'b'] });
  });
});
