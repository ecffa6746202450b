// What a page looks like, in a few samples: the last resort for answers that leave no other trace, such as a style
// rule set through the rule itself, or a shadow root that was there before us.

const GRID = 5;
const CELLS = GRID * GRID;
/** From one sample to the next: from the middle, and few are spread as many are. No factor in common with CELLS. */
const STRIDE = 7;
/** Finding what is at a point takes 10 ms where there are very many elements: such a page gets fewer samples. */
const BUDGET_MS = 8;
/** Two such, since one may be the machine's doing. */
const SLOW_MS = 1;

export interface Look {
  at: [x: number, y: number];
  view: string;
  tops: (Element | null)[];
  subject: string;
}

export function look(subject: Element, x: number, y: number): Look {
  // The first has the page laid out, if that is still to be done.
  const tops: (Element | null)[] = [document.elementFromPoint(x, y)];
  const start = performance.now();
  let now = start;
  let slow = 0;
  for (let i = 0; i < CELLS && (slow < 2 || now - start < BUDGET_MS); i++) {
    const cell = ((CELLS >> 1) + i * STRIDE) % CELLS;
    const across = ((cell % GRID) + 0.5) / GRID;
    const down = (Math.floor(cell / GRID) + 0.5) / GRID;
    tops.push(document.elementFromPoint(innerWidth * across, innerHeight * down));
    const before = now;
    now = performance.now();
    if (now - before > SLOW_MS) slow++;
  }
  return {
    at: [x, y],
    view: [scrollX, scrollY, innerWidth, innerHeight].join(),
    tops,
    subject: face(subject),
  };
}

function face(element: Element): string {
  const { x, y, width, height } = element.getBoundingClientRect();
  const { backgroundColor, color, opacity, visibility, transform } = getComputedStyle(element);
  return [x, y, width, height, backgroundColor, color, opacity, visibility, transform].join();
}

/** Has the view changed, but for what `restless` says changes by itself? */
export function differs(before: Look, subject: Element, restless: (element: Element) => boolean): boolean {
  const now = look(subject, ...before.at);
  if (now.view !== before.view) return false;
  const moving = (document.getAnimations?.() ?? []).map(
    (animation) => (animation.effect as KeyframeEffect | null)?.target,
  );
  const still = (element: Element | null): boolean =>
    !!element &&
    !restless(element) &&
    !moving.some((other) => other && (other.contains(element) || element.contains(other)));
  if (now.subject !== before.subject && subject.isConnected && still(subject)) return true;
  // Either may have had less time.
  return now.tops.some((top, i) => {
    const other = before.tops[i];
    return other !== undefined && top !== other && still(top) && still(other);
  });
}
