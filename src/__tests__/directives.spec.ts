import { directive, withDirective } from '../directives';

describe('directives', () => {
  it.each([
    ['# @worker gpu\nx = 1', 'gpu'],
    ['%%sql shop\n\n# about\n#@Worker  a b \nSELECT 1', 'a b'],
    ['# @worker one\n# @worker two', 'two'],
    ['# @workers gpu', null],
    ['# @worker.queue', null],
    ['x = 1\n# @worker gpu', null],
    ['', null]
  ])('are read at the head: %j', (source, value) =>
    expect(directive(source, 'worker')).toBe(value)
  );

  it.each([
    ['x = 1', 'gpu', '# @worker gpu\nx = 1'],
    ['%%sql shop\nSELECT 1', 'gpu', '%%sql shop\n# @worker gpu\nSELECT 1'],
    ['# @name a\n# @worker one\nx', 'two', '# @name a\n# @worker two\nx'],
    ['# @name a\n# @worker one\nx', null, '# @name a\nx'],
    ['x\n# @worker one', null, 'x\n# @worker one'],
    ['', 'gpu', '# @worker gpu\n']
  ])('are written there: %j as %j', (source, value, expected) =>
    expect(withDirective(source, 'worker', value)).toBe(expected)
  );
});
