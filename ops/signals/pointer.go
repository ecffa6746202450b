package main

import (
	"math"

	"github.com/gosight/gosight/internal/detect"
)

// follow moves the cursor along a path for some seconds, as the SDK samples it: 20 times a second at most, in
// whole pixels, an event each second or so, a sample lost now and then. A hand adds a tremble.
func (s *script) follow(seconds, tremble float64, path func(t float64) (x, y float64)) {
	var samples [][3]int
	begin := s.now
	flush := func() {
		if len(samples) > 0 {
			s.addAt(begin, "pointer", points(samples))
			samples = nil
		}
	}
	lastX, lastY := math.Inf(1), 0.0
	for t := 0.0; t <= seconds; t += s.uniform(0.05, 0.062) * s.slow {
		x, y := path(t)
		x, y = math.Round(x+s.normal(0, tremble)), math.Round(y+s.normal(0, tremble))
		if x == lastX && y == lastY || s.chance(0.02) {
			continue // no event without movement
		}
		lastX, lastY = x, y
		at := s.now + int64(t*1000)
		if len(samples) > 0 && at-begin > 1000 {
			flush()
		}
		if len(samples) == 0 {
			begin = at
		}
		samples = append(samples, [3]int{int(at - begin), int(x), int(y)})
	}
	flush()
	s.now += int64(seconds * 1000)
	s.x, s.y = path(seconds)
}

// move goes to a place as a hand does: fast in the middle, a little bent, past the place by some share of the way
// and back to it.
func (s *script) move(x, y, past float64) {
	x0, y0 := s.x, s.y
	far := math.Hypot(x-x0, y-y0)
	bend := s.normal(0, far*0.06)
	overX, overY := x+(x-x0)*past, y+(y-y0)*past
	leg := func(seconds, ax, ay, bx, by, bend float64) {
		nx, ny := -(by-ay)/(far+1), (bx-ax)/(far+1)
		s.follow(seconds, 0.6, func(t float64) (float64, float64) {
			p := smooth(t / seconds)
			b := bend * math.Sin(math.Pi*p)
			return ax + (bx-ax)*p + nx*b, ay + (by-ay)*p + ny*b
		})
	}
	leg(0.18+0.12*math.Log2(1+far/40)*s.uniform(0.8, 1.3), x0, y0, overX, overY, bend)
	if past != 0 {
		leg(s.uniform(0.15, 0.3), overX, overY, x, y, 0)
	}
}

// smooth is the share of the way that a movement has made: slow, fast, slow.
func smooth(p float64) float64 {
	p = min(max(p, 0), 1)
	return p * p * p * (10 + p*(6*p-15))
}

// shake goes to and fro along a direction and across it: amplitudes in pixels, frequencies in hertz; each swing
// differs from the last, the centre wanders.
func (s *script) shake(seconds, along, across, hertz, hertz2, direction float64) {
	cx, cy := s.x, s.y
	cos, sin := math.Cos(direction), math.Sin(direction)
	phase, phase2 := s.uniform(0, 2*math.Pi), s.uniform(0, 2*math.Pi)
	driftX, driftY := s.normal(0, 18), s.normal(0, 18)
	vary, vary2 := s.uniform(0.1, 0.35), s.uniform(0.5, 1.7)
	last, a, b := 0.0, phase, phase2
	s.follow(seconds, 1.5, func(t float64) (float64, float64) {
		dt := t - last
		last = t
		wobble := 1 + vary*math.Sin(vary2*t*2*math.Pi+phase2)
		a += 2 * math.Pi * hertz * wobble * dt
		b += 2 * math.Pi * hertz2 * wobble * dt
		u, v := along*wobble*math.Sin(a), across*math.Sin(b)
		return cx + driftX*t + u*cos - v*sin, cy + driftY*t + u*sin + v*cos
	})
}

var thrashFamilies = []family{
	{"shaking", "to and fro in any direction: 1.2 to 4 s, 1.8 to 5 Hz, 28 to 250 px each side", detect.ThrashedCursor, around(func(s *script) {
		s.shake(s.uniform(1.2, 4), s.uniform(28, 250), s.uniform(0, 20), s.uniform(1.8, 5), s.uniform(0.5, 2), s.uniform(0, math.Pi))
	})},
	{"circling", "round and round: 1.4 to 4 s, 1.5 to 3.5 Hz, radius 30 to 180 px", detect.ThrashedCursor, around(func(s *script) {
		r, hz := s.uniform(30, 180), s.uniform(1.5, 3.5)
		x, y, phase, squash := s.x, s.y, s.uniform(0, 6), s.uniform(0.5, 1)
		s.follow(s.uniform(1.4, 4), 2, func(t float64) (float64, float64) {
			a := phase + 2*math.Pi*hz*t
			return x + r*math.Cos(a), y + r*squash*math.Sin(a)
		})
	})},
	{"scribbling", "both axes at different frequencies: 1.3 to 4 s, 1.4 to 4 Hz, 30 to 200 px", detect.ThrashedCursor, around(func(s *script) {
		s.shake(s.uniform(1.3, 4), s.uniform(30, 200), s.uniform(30, 200), s.uniform(1.4, 4), s.uniform(1.4, 4), s.uniform(0, math.Pi))
	})},
	{"jerking about", "8 to 16 short fast moves within a small area, without pause", detect.ThrashedCursor, around(func(s *script) {
		x, y := s.x, s.y
		for range s.between(8, 16) {
			toX, toY := x+s.uniform(-170, 170), y+s.uniform(-130, 130)
			fromX, fromY, seconds := s.x, s.y, s.uniform(0.11, 0.21)
			s.follow(seconds, 1, func(t float64) (float64, float64) {
				p := smooth(t / seconds)
				return fromX + (toX-fromX)*p, fromY + (toY-fromY)*p
			})
		}
	})},
	{"flicks", "one to three fast moves, each past its goal and back", "", around(func(s *script) {
		for range s.between(1, 3) {
			s.move(s.uniform(60, 1220), s.uniform(60, 740), s.uniform(0.03, 0.16))
			s.wait(60, 500)
		}
	})},
	{"one correction", "a move to the wrong place and on to the right one", "", around(func(s *script) {
		s.move(s.uniform(100, 1200), s.uniform(100, 700), 0.08)
		s.wait(50, 250)
		s.move(s.x+s.normal(0, 140), s.y+s.normal(0, 90), s.uniform(-0.05, 0.15))
		s.move(s.x+s.normal(0, 40), s.y+s.normal(0, 30), 0)
	})},
	{"reading along lines", "to and fro with the eye, 0.9 to 3 s a line", "", around(func(s *script) {
		x, y, width, line, pace := s.x, s.y, s.uniform(200, 600), s.uniform(18, 34), s.uniform(0.9, 3)
		s.follow(s.uniform(4, 10), 2.5, func(t float64) (float64, float64) {
			n, p := math.Modf(t / pace)
			if p > 0.85 { // back to the next line
				return x + width*(1-smooth((p-0.85)/0.15)), y + line*(n+smooth((p-0.85)/0.15))
			}
			return x + width*p/0.85, y + line*n
		})
	})},
	{"hovering down a menu", "item by item, and back up once or twice", "", around(func(s *script) {
		x, y, pitch := s.x, s.y, s.uniform(28, 46)
		at := 0.0
		for range s.between(5, 12) {
			step := 1.0
			if s.chance(0.22) {
				step = -s.uniform(1, 2)
			}
			at += step
			s.move(x+s.normal(0, 14), y+at*pitch, 0)
			s.wait(30, 400)
		}
	})},
	{"across a menu bar", "along its items, down into one, and back", "", around(func(s *script) {
		x, y := s.x, s.y
		for i := range s.between(3, 7) {
			s.move(x+float64(i)*90, y+s.normal(0, 6), 0.03)
			if s.chance(0.4) {
				s.move(s.x+s.normal(0, 15), y+s.uniform(60, 180), 0)
				s.move(s.x, y, 0)
			}
			s.wait(40, 300)
		}
	})},
	{"comparing", "between two places and back, two to four times, with a look at each", "", around(func(s *script) {
		ax, ay, bx, by := s.x, s.y, s.x+s.normal(0, 350), s.y+s.normal(0, 150)
		for range s.between(2, 4) {
			s.move(bx+s.normal(0, 15), by+s.normal(0, 15), s.uniform(0, 0.06))
			s.wait(150, 900)
			s.move(ax+s.normal(0, 15), ay+s.normal(0, 15), s.uniform(0, 0.06))
			s.wait(150, 900)
		}
	})},
	{"dragging", "to a place, looking for it on the way; panning a map in two or three strokes", "", around(func(s *script) {
		if s.chance(0.5) {
			x, y := s.x, s.y
			for range s.between(2, 3) {
				s.move(x+s.uniform(120, 320), y+s.normal(0, 60), 0)
				s.wait(20, 120)
				s.move(x+s.normal(0, 20), y+s.normal(0, 20), 0)
				s.wait(60, 250)
			}
			return
		}
		s.move(s.x+s.normal(0, 300), s.y+s.normal(0, 200), 0.05)
		s.move(s.x+s.normal(0, 60), s.y+s.normal(0, 40), 0.05)
		s.move(s.x+s.normal(0, 20), s.y+s.normal(0, 20), 0)
	})},
	{"seeking on a slider", "to and fro along it, less each time, until the value is right", "", around(func(s *script) {
		x, y, width := s.x, s.y, s.uniform(60, 300)
		for range s.between(2, 5) {
			s.move(x+width*pick(s, -1.0, 1.0)*s.uniform(0.4, 1), y+s.normal(0, 5), s.uniform(0, 0.1))
			s.wait(40, 350)
			width *= s.uniform(0.3, 0.7)
		}
	})},
	{"searching", "from one icon to the next in no order, a glance at each", "", around(func(s *script) {
		x, y := s.x, s.y
		for range s.between(4, 9) {
			s.move(x+s.uniform(-260, 260), y+s.uniform(-160, 160), s.uniform(0, 0.08))
			s.wait(80, 700)
		}
	})},
	{"selecting", "along a text, down some lines, back a few words", "", around(func(s *script) {
		s.move(s.x+s.uniform(80, 400), s.y+s.uniform(0, 12), 0)
		for range s.between(0, 3) {
			s.move(s.x+s.normal(0, 120), s.y+s.uniform(14, 30), 0)
		}
		s.move(s.x-s.uniform(10, 60), s.y, 0)
	})},
	{"trembling at rest", "1 to 7 px round a place for some seconds", "", around(func(s *script) {
		x, y, r := s.x, s.y, s.uniform(1, 7)
		s.follow(s.uniform(2, 6), r/2, func(t float64) (float64, float64) {
			return x + r*math.Sin(7*t), y + r*math.Cos(9*t)
		})
	})},
	{"idle circles", "slow ones while thinking: 0.4 to 1.1 Hz, 20 to 90 px each side", "", around(func(s *script) {
		s.shake(s.uniform(3, 7), s.uniform(20, 90), s.uniform(10, 60), s.uniform(0.4, 1.1), s.uniform(0.4, 1.1), s.uniform(0, math.Pi))
	})},
	{"fidgeting", "small and quick, 6 to 18 px each side, 2 to 4.5 Hz, for a second or two", "", around(func(s *script) {
		s.shake(s.uniform(0.8, 2.2), s.uniform(6, 18), s.uniform(0, 8), s.uniform(2, 4.5), s.uniform(1, 3), s.uniform(0, math.Pi))
	})},
	{"where is the cursor", "one or two quick swings to and fro to find it, then on", "", around(func(s *script) {
		hz := s.uniform(2, 3.5)
		s.shake(s.uniform(1, 2)/hz, s.uniform(40, 160), 8, hz, 1, s.uniform(-0.6, 0.6))
		s.move(s.uniform(100, 1200), s.uniform(100, 700), 0.05)
	})},
}
