/** Zoom and pan of a drawing, by wheel, drag and keys. */
import * as React from 'react';

export interface ITransform {
  x: number;
  y: number;
  k: number;
}

export interface IViewport {
  ref: React.RefObject<SVGSVGElement>;
  /** The group that is moved. */
  layer: React.RefObject<SVGGElement>;
  onPointerDown: (event: React.PointerEvent) => void;
  /** Zoom by a factor around the middle. */
  zoom: (factor: number) => void;
  /** Show all of it. */
  fit: () => void;
  /** Move as little as shows a place. */
  reveal: (x: number, y: number) => void;
}

const [LEAST, MOST] = [0.1, 2.5];
/** Below it, texts are too small to be read, and not drawn. */
const FAR = 0.4;
/** A wheel's line is so many pixels. */
const LINE = 16;

const clamp = (k: number) => Math.min(MOST, Math.max(LEAST, k));

/** Return the transform that shows a drawing in a window, never enlarged. */
export function fitted(
  width: number,
  height: number,
  window: { width: number; height: number }
): ITransform {
  const k = clamp(
    Math.min(1, window.width / Math.max(width, 1), window.height / Math.max(height, 1))
  );
  return {
    k,
    x: (window.width - width * k) / 2,
    y: Math.max(0, (window.height - height * k) / 2 > 40 ? 8 : (window.height - height * k) / 2)
  };
}

/** Return the transform that is another one zoomed around a place of the window. */
export function zoomed(
  { x, y, k }: ITransform,
  factor: number,
  at: { x: number; y: number }
): ITransform {
  const next = clamp(k * factor);
  const ratio = next / k;
  return { k: next, x: at.x - (at.x - x) * ratio, y: at.y - (at.y - y) * ratio };
}

/** Return what a wheel does to a transform: it moves, and with a modifier it zooms. */
function turned(node: Element, event: WheelEvent): (old: ITransform) => ITransform {
  event.preventDefault();
  const step = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
  const { left, top } = node.getBoundingClientRect();
  const at = { x: event.clientX - left, y: event.clientY - top };
  return old =>
    event.ctrlKey || event.metaKey
      ? zoomed(old, Math.exp(-event.deltaY * step * 0.004), at)
      : { ...old, x: old.x - event.deltaX * step, y: old.y - event.deltaY * step };
}

/** Keep the transform of a drawing of this size; it fits until the user moves it. */
export function useViewport(width: number, height: number): IViewport {
  const ref = React.useRef<SVGSVGElement>(null);
  const layer = React.useRef<SVGGElement>(null);
  const held = React.useRef<ITransform>({ x: 0, y: 0, k: 1 });
  const moved = React.useRef(false);
  const frame = React.useRef(0);
  // Past React: to render hundreds of boxes anew for each step of a wheel would be felt.
  const setTransform = React.useCallback((next: (old: ITransform) => ITransform) => {
    held.current = next(held.current);
    frame.current ||= requestAnimationFrame(() => {
      frame.current = 0;
      const { x, y, k } = held.current;
      layer.current?.setAttribute('transform', `translate(${x} ${y}) scale(${k})`);
      ref.current?.classList.toggle('strata-mod-far', k < FAR);
    });
  }, []);
  const fit = React.useCallback(() => {
    const box = ref.current?.getBoundingClientRect();
    if (box?.width) {
      moved.current = false;
      setTransform(() => fitted(width, height, box));
    }
  }, [width, height]);
  const change = (next: (old: ITransform) => ITransform) => {
    moved.current = true;
    setTransform(next);
  };
  React.useEffect(() => {
    const node = ref.current;
    if (!node) {
      return;
    }
    const observer = new ResizeObserver(() => !moved.current && fit());
    observer.observe(node);
    const onWheel = (event: WheelEvent) => change(turned(node, event));
    // React listens passively, so the page would scroll as well.
    node.addEventListener('wheel', onWheel, { passive: false });
    return () => {
      observer.disconnect();
      node.removeEventListener('wheel', onWheel);
    };
  }, [fit]);
  const onPointerDown = (event: React.PointerEvent) => {
    if (event.button !== 0) {
      return;
    }
    const drag = new AbortController();
    let { clientX, clientY } = event;
    const onMove = (now: PointerEvent) => {
      const [dx, dy] = [now.clientX - clientX, now.clientY - clientY];
      ({ clientX, clientY } = now);
      change(old => ({ ...old, x: old.x + dx, y: old.y + dy }));
    };
    window.addEventListener('pointermove', onMove, { signal: drag.signal });
    window.addEventListener('pointerup', () => drag.abort(), { signal: drag.signal });
  };
  const middle = () => {
    const box = ref.current?.getBoundingClientRect();
    return { x: (box?.width ?? 0) / 2, y: (box?.height ?? 0) / 2 };
  };
  const reveal = (x: number, y: number) => {
    const box = ref.current?.getBoundingClientRect();
    setTransform(old => {
      const [left, top] = [x * old.k + old.x, y * old.k + old.y];
      const inside =
        !box || (left > 30 && left < box.width - 30 && top > 20 && top < box.height - 20);
      return inside
        ? old
        : { k: old.k, x: box.width / 2 - x * old.k, y: box.height / 2 - y * old.k };
    });
  };
  const zoom = (factor: number) => change(old => zoomed(old, factor, middle()));
  return { ref, layer, onPointerDown, zoom, fit, reveal };
}
