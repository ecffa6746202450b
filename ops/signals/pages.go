package main

import (
	"fmt"

	"github.com/gosight/gosight/internal/detect"
)

func (s *script) go_(to, kind string) {
	s.add("navigate", fmt.Sprintf(`{"from":%q,"to":%q,"kind":%q}`, s.page, to, kind))
	s.page = to
}

func shop(path string) string { return "https://shop.example/" + path }

func (s *script) scrollTo(y, height int) {
	s.add("scroll", fmt.Sprintf(`{"depth":%d,"y":%d,"page_height":%d}`, min(100, (y+800)*100/height), y, height))
}

// sweep scrolls in steps, as a wheel does.
func (s *script) sweep(from, to, height int) {
	steps := s.between(3, 8)
	for i := 1; i <= steps; i++ {
		s.scrollTo(from+(to-from)*i/steps, height)
		s.wait(60, 250)
	}
}

var pageFamilies = []family{
	{"back at once", "back within 0.4 to 4.8 s of a navigation", detect.QuickBack, func(s *script) {
		s.go_(shop("list"), "push")
		s.wait(6000, 20000)
		s.go_(shop("item"), "push")
		s.wait(400, 4800)
		s.go_(shop("list"), "pop")
	}},
	{"back at once, whole pages", "the same by page loads", detect.QuickBack, func(s *script) {
		for i, p := range []string{"list", "item", "list"} {
			s.page = shop(p)
			s.add("page_load", fmt.Sprintf(`{"url":%q,"title":"","referrer":"","load_ms":300}`, s.page))
			if i == 1 {
				s.wait(800, 4500)
			} else {
				s.wait(7000, 15000)
			}
			if i < 2 {
				s.addAt(s.now-50, "page_exit", fmt.Sprintf(`{"url":%q,"dwell_ms":1,"depth":1}`, s.page))
			}
		}
	}},
	{"round and back", "another page, and by a link back within 30 s", detect.UTurn, func(s *script) {
		s.go_(shop("list"), "push")
		s.wait(6000, 20000)
		s.go_(shop("item"), "push")
		s.wait(5500, 20000)
		if s.chance(0.4) {
			s.go_(shop("reviews"), "push")
			s.wait(1000, 7000)
		}
		s.go_(shop("list"), pick(s, "push", "pop"))
	}},
	{"on and on", "pages one after another", "", func(s *script) {
		for i := range s.between(3, 8) {
			s.go_(shop(fmt.Sprint("item/", i)), "push")
			s.wait(700, 9000)
		}
	}},
	{"back after reading", "30 s and more on the other page", "", func(s *script) {
		s.go_(shop("list"), "push")
		s.wait(3000, 20000)
		s.go_(shop("item"), "push")
		s.wait(30500, 50000)
		s.go_(shop("list"), "pop")
	}},
	{"anchors and redirects", "fragments of one page; a page that sends on", "", func(s *script) {
		s.go_(shop("list"), "push")
		s.wait(500, 3000)
		s.go_(shop("list#b"), "hash")
		s.wait(500, 3000)
		s.go_(shop("list"), "pop")
		s.wait(500, 3000)
		s.go_(shop("go"), "push")
		s.wait(20, 80)
		s.go_(shop("item"), "replace")
	}},
	{"scrolling about", "the page up and down, six to ten times, no click", detect.ExcessiveScroll, func(s *script) {
		height := s.between(3000, 9000)
		at, far := 0, height-800
		for range s.between(6, 10) {
			to := 0
			if at < far/2 {
				to = far - s.between(0, height/10)
			}
			s.sweep(at, to, height)
			at = to
			s.wait(200, 1800)
		}
	}},
	{"reading down", "down, a little up now and then", "", func(s *script) {
		height, at := s.between(3000, 12000), 0
		for at < height-900 {
			to := at + s.between(150, 700)
			if s.chance(0.25) {
				to = max(0, at-s.between(100, 900))
			}
			s.sweep(at, to, height)
			at = to
			s.wait(300, 2500)
		}
	}},
	{"top and bottom", "to the end and back, once or twice", "", func(s *script) {
		height := s.between(3000, 9000)
		for range s.between(1, 2) {
			s.sweep(0, height-800, height)
			s.wait(500, 3000)
			s.sweep(height-800, 0, height)
			s.wait(500, 3000)
		}
	}},
	{"up and down between clicks", "six times, with a click each time", "", func(s *script) {
		for range s.between(3, 5) {
			s.sweep(0, 4000, 5000)
			s.click(s.button(), s.x, s.y, "mutation", 50)
			s.sweep(4000, 0, 5000)
			s.wait(3000, 4000)
		}
	}},
	{"error after a click", "one to three uncaught errors within 1.9 s", detect.ErrorClick, around(func(s *script) {
		kind, after := s.anyAnswer()
		s.click(s.button(), s.x, s.y, kind, after)
		for range s.between(1, 3) {
			s.addAt(s.now+int64(s.between(5, 1900)), "error", `{"message":"Cannot read properties of undefined (reading 'id')"}`)
		}
	})},
	{"errors of their own", "console output after a click; an error with no click before it", "", around(func(s *script) {
		kind, after := s.anyAnswer()
		s.click(s.button(), s.x, s.y, kind, after)
		s.addAt(s.now+40, "console", `{"level":"error","message":"deprecated"}`)
		s.addAt(s.now+int64(s.between(2100, 3000)), "error", `{"message":"ResizeObserver loop"}`)
	})},
}
