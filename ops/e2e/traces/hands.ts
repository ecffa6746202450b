// What the recorded hands do, and which signals that is.
import { dice, Hand, type Move } from "./hand.ts";

export interface Recorded {
  about: string;
  want: Record<string, number>;
  moves(n: number): Move[];
}

type Roll = ReturnType<typeof dice>;

const chaos = { thrashed_cursor: 1 };
let family = 0;

/** A family: the same doing with other dice each time. */
function recorded(
  about: string,
  want: Record<string, number>,
  play: (hand: Hand, roll: Roll) => void,
  tremble?: number,
): Recorded {
  const seed = ++family * 1000;
  return {
    about,
    want,
    moves: (n) => {
      const roll = dice(seed + n);
      const hand = new Hand(roll, [roll(300, 800), roll(250, 550)], tremble);
      play(hand.by(roll(-150, 150), roll(-80, 80), roll(250, 500), roll(-15, 15)).rest(roll(60, 300)), roll);
      return hand.moves;
    },
  };
}

const times = (n: number, does: (i: number) => void) => {
  for (let i = 0; i < n; i++) does(i);
};

export const hands: Record<string, Recorded> = {
  "shaken sideways": recorded(
    "11 to 18 strokes left and right of 90 to 320 px, 90 to 150 ms each",
    chaos,
    (hand, roll) => {
      const [way, ms] = [roll(90, 320), roll(90, 150)];
      times(Math.round(roll(11, 18)), (i) =>
        hand.by((i % 2 ? -1 : 1) * way * roll(0.8, 1.2), roll(-15, 15), ms * roll(0.85, 1.2), roll(-12, 12)),
      );
    },
  ),
  "shaken up and down": recorded(
    "11 to 18 strokes up and down of 80 to 260 px, 90 to 150 ms each",
    chaos,
    (hand, roll) => {
      const [way, ms] = [roll(80, 260), roll(90, 150)];
      times(Math.round(roll(11, 18)), (i) =>
        hand.by(roll(-12, 12), (i % 2 ? -1 : 1) * way * roll(0.8, 1.2), ms * roll(0.85, 1.2), roll(-12, 12)),
      );
    },
  ),
  "shaken aslant": recorded(
    "11 to 16 strokes to and fro along a slanting line of 110 to 300 px",
    chaos,
    (hand, roll) => {
      const [way, ms, angle] = [roll(110, 300), roll(95, 150), roll(0.4, 1.1)];
      times(Math.round(roll(11, 16)), (i) => {
        const stroke = (i % 2 ? -1 : 1) * way * roll(0.8, 1.2);
        hand.by(stroke * Math.cos(angle), stroke * Math.sin(angle), ms * roll(0.85, 1.2), roll(-10, 10));
      });
    },
  ),
  "whirled in circles": recorded(
    "5 to 8 fast circles of 50 to 120 px each side, 2.4 to 3.4 a second",
    chaos,
    (hand, roll) => {
      const [radius, ms] = [roll(50, 120), 1000 / roll(2.4, 3.4) / 4];
      times(Math.round(roll(5, 8)) * 4, (i) => {
        const [x, y] = [
          [1, 1],
          [-1, 1],
          [-1, -1],
          [1, -1],
        ][i % 4] as [number, number];
        hand.by(
          x * radius * roll(0.85, 1.15),
          y * radius * roll(0.85, 1.15),
          ms * roll(0.9, 1.1),
          radius * 0.3,
        );
      });
    },
  ),
  "jerked about": recorded(
    "13 to 20 fast strokes in all directions within 300 px, hardly a pause",
    chaos,
    (hand, roll) => {
      const [x, y] = [roll(400, 700), roll(300, 500)];
      times(Math.round(roll(13, 20)), () =>
        hand.to(x + roll(-150, 150), y + roll(-150, 150), roll(90, 150), roll(-15, 15)).rest(roll(0, 25)),
      );
    },
  ),
  flicks: recorded("two to four fast strokes across the page, a look after each", {}, (hand, roll) =>
    times(Math.round(roll(2, 4)), () =>
      hand.to(roll(80, 1100), roll(60, 740), roll(160, 300), roll(-40, 40)).rest(roll(300, 900)),
    ),
  ),
  "reading along lines": recorded(
    "three to six lines of 350 to 600 px, and back to the next each time",
    {},
    (hand, roll) => {
      const [x, way] = [roll(60, 200), roll(350, 600)];
      let y = roll(80, 300);
      times(Math.round(roll(3, 6)), () => {
        hand.to(x + way * roll(0.85, 1), y + roll(-3, 3), roll(900, 1600), roll(-4, 4));
        y += 24;
        hand.to(x + roll(0, 15), y, roll(250, 450), roll(-5, 5));
      });
    },
  ),
  "hovering down a menu": recorded(
    "six to twelve entries of 28 to 40 px, one after another, up again to one of them",
    {},
    (hand, roll) => {
      const step = roll(28, 40);
      hand.to(roll(60, 160), roll(60, 120), roll(250, 450), roll(-15, 15));
      times(Math.round(roll(6, 12)), () => hand.by(roll(-8, 8), step, roll(90, 220)).rest(roll(30, 180)));
      hand.by(roll(-8, 8), -step * Math.round(roll(1, 4)), roll(200, 400));
    },
  ),
  dragging: recorded(
    "something dragged to a place, to and fro over it before it is let go",
    {},
    (hand, roll) => {
      hand.by(roll(150, 350), roll(-120, 120), roll(400, 800), roll(-20, 20), 1);
      times(Math.round(roll(3, 8)), (i) =>
        hand.by((i % 2 ? -1 : 1) * roll(40, 120), roll(-15, 15), roll(100, 200), 0, 1),
      );
      hand.by(0, 0, 50).rest(300);
    },
  ),
  "corrected once": recorded(
    "a stroke that goes too far, and back; then on to something else",
    {},
    (hand, roll) => {
      const far = roll(250, 500) * (roll(0, 1) < 0.5 ? -1 : 1);
      hand.by(far, roll(-80, 80), roll(220, 380), roll(-25, 25)).rest(roll(40, 120));
      hand.by(-far * roll(0.1, 0.3), roll(-20, 20), roll(120, 220)).rest(roll(200, 700));
      hand.by(roll(-150, 150), roll(40, 160), roll(300, 500), roll(-15, 15));
    },
  ),
  "trembling at rest": recorded(
    "1 to 6 px about a place, for two to three seconds",
    {},
    (hand, roll) => {
      const way = roll(1, 6);
      times(Math.round(roll(25, 40)), () => hand.by(roll(-way, way), roll(-way, way), roll(50, 110)));
    },
    1.5,
  ),
  searching: recorded(
    "from one thing to another in no order, five to eight of them, a glance at each",
    {},
    (hand, roll) =>
      times(Math.round(roll(5, 8)), () =>
        hand.to(roll(120, 1050), roll(90, 700), roll(260, 480), roll(-30, 30)).rest(roll(180, 500)),
      ),
  ),
  "where is the cursor": recorded(
    "one or two quick swings to and fro to find it, then on",
    {},
    (hand, roll) => {
      times(Math.round(roll(2, 4)), (i) =>
        hand.by((i % 2 ? -1 : 1) * roll(120, 260), roll(-25, 25), roll(100, 160), roll(-10, 10)),
      );
      hand.rest(roll(150, 400)).to(roll(150, 1000), roll(120, 650), roll(350, 600), roll(-30, 30));
    },
  ),
};
