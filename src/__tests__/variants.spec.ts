import { asVariant, isName, variantOf } from '../variants';

describe('variants', () => {
  it.each([
    ['# @variant model linear\nx = 1', { group: 'model', name: 'linear' }],
    ['%%sql shop\n\n#@variant  q  fast \nSELECT 1', { group: 'q', name: 'fast' }],
    ['# about it\n# @variant a b', { group: 'a', name: 'b' }],
    ['x = 1\n# @variant model linear', null],
    ['# @variant model', null],
    ['# @variant model linear more', null],
    ['x = "@variant"', null]
  ])('are told by the head of a cell: %j', (source, expected) =>
    expect(variantOf(source)).toEqual(expected)
  );

  it('are renamed in place, or named for the first time', () => {
    const forest = { group: 'model', name: 'forest' };
    expect(asVariant('# why\n# @variant model  linear\nx = 1', forest)).toBe(
      '# why\n# @variant model  forest\nx = 1'
    );
    expect(asVariant('x = 1', forest)).toBe('# @variant model forest\nx = 1');
    expect(asVariant('%%sql shop\nSELECT 1', forest)).toBe(
      '%%sql shop\n# @variant model forest\nSELECT 1'
    );
    expect(asVariant('# @variant model linear', { group: '$1', name: '$&' })).toBe(
      '# @variant $1 $&'
    );
  });

  it.each([
    ['forest', true],
    ['größe_2', true],
    ['2nd', false],
    ['a b', false],
    ['', false]
  ])('have names that Python would take: %j', (text, good) => expect(isName(text)).toBe(good));
});
