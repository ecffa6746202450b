// What a page looks like, in a few samples: the last resort for answers that leave no other trace, such as a style
// rule set through the rule itself, or a shadow root that was there before us.

const GRID = 5;

export interface Look {
  at: [x: number, y: number];
  view: string;
  tops: (Element | null)[];
  subject: string;
}

export function look(subject: Element, x: number, y: number): Look {
  const tops: (Element | null)[] = [document.elementFromPoint(x, y)];
  for (let i = 0; i < GRID * GRID; i++) {
    const across = ((i % GRID) + 0.5) / GRID;
    tops.push(
      document.elementFromPoint(innerWidth * across, (innerHeight * (Math.floor(i / GRID) + 0.5)) / GRID),
    );
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
  return now.tops.some((top, i) => top !== before.tops[i] && still(top) && still(before.tops[i] ?? null));
}
