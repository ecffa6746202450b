package main

import (
	"fmt"

	"github.com/gosight/gosight/internal/detect"
)

// element is what is clicked.
type element struct {
	tag, role, text string
	interactive     string // "true", "false", or "" where the client does not say
	extra           string // further fields of the payload, each after a comma
}

func (s *script) button() element {
	return element{"button", "button", pick(s, "Buy now", "Save", "Pay", "Send", "Apply", "Add to basket", "Continue"), "true", ""}
}

func (s *script) plain() element {
	return element{pick(s, "div", "span", "img", "p", "h2", "li"), "", pick(s, "", "Free delivery", "New", "4.6 of 5"), "false", ""}
}

// click clicks at a place; answer is the outcome's kind, "" where the client sends none.
func (s *script) click(el element, x, y float64, answer string, afterMS int) string {
	interactive := ""
	if el.interactive != "" {
		interactive = `,"interactive":` + el.interactive
	}
	id := s.add("click", fmt.Sprintf(`{"x":%.0f,"y":%.0f,"vw":1280,"vh":800,"page_x":%.0f,"page_y":%.0f,"selector":"main > %s","tag":%q,`+
		`"role":%q,"text":%q,"button":0%s%s}`, x, y, x, y, el.tag, el.tag, el.role, el.text, interactive, el.extra))
	s.outcome(id, answer, afterMS)
	return id
}

func (s *script) outcome(click, answer string, afterMS int) {
	switch answer {
	case "":
	case "none":
		s.addAt(s.now+2500+int64(s.IntN(60)), "click_outcome", fmt.Sprintf(`{"click_id":%q,"kind":"none","after_ms":2500}`, click))
	default:
		s.addAt(s.now+int64(afterMS+s.IntN(30)), "click_outcome", fmt.Sprintf(`{"click_id":%q,"kind":%q,"after_ms":%d}`, click, answer, afterMS))
	}
}

func (s *script) anyAnswer() (string, int) {
	kind := pick(s, "mutation", "mutation", "mutation", "navigation", "focus", "network", "scroll")
	if s.chance(0.1) {
		return kind, s.between(1200, 2480)
	}
	return kind, s.between(5, 900)
}

// hammer clicks n times around a place with a hand that trembles and now and then slips or hesitates.
func (s *script) hammer(el element, n int, gap, tremble float64, answer func() (string, int)) {
	x, y := s.x, s.y
	for range n {
		kind, after := answer()
		s.click(el, x+s.normal(0, tremble), y+s.normal(0, tremble), kind, after)
		x, y = x+s.normal(0, 0.7), y+s.normal(0, 0.7)
		d := s.normal(gap, gap*0.22)
		if s.chance(0.03) {
			d *= 2
		}
		s.now += int64(max(60, d))
	}
}

func same(kind string, after int) func() (string, int) {
	return func() (string, int) { return kind, after }
}

// browse is what surrounds everything else: reading, moving, an answered click now and then.
func (s *script) browse() {
	for range s.between(0, 3) {
		switch s.IntN(4) {
		case 0:
			s.move(s.uniform(100, 1180), s.uniform(100, 700), 0)
		case 1:
			s.add("scroll", fmt.Sprintf(`{"depth":%d,"y":%d,"page_height":5200}`, s.between(10, 90), s.between(0, 2400)))
			s.wait(300, 1500)
		case 2:
			kind, after := s.anyAnswer()
			s.click(s.button(), s.uniform(50, 1200), s.uniform(50, 750), kind, after)
			s.wait(3200, 5000)
		case 3:
			s.add("network", `{"method":"GET","url":"/api/stock","status":200,"duration_ms":80}`)
			s.wait(100, 2000)
		}
	}
	s.wait(3200, 6000)
}

func around(inner func(s *script)) func(s *script) {
	return func(s *script) {
		s.browse()
		inner(s)
		s.wait(3500, 5000)
		s.browse()
	}
}

// Rage: an angry hand clicks four to ten times a second. Dead or unresponsive clicks inside such a burst are
// wanted too, and labelled.
var rageFamilies = []family{
	{"rage on a button", "7 to 25 clicks, 110 to 300 ms apart, tremble 1 to 9 px, answered", detect.RageClick, around(func(s *script) {
		s.hammer(s.button(), s.between(7, 25), s.uniform(110, 300), s.uniform(1, 9), s.anyAnswer)
	})},
	{"rage on a frozen button", "the same, nothing answers", detect.RageClick, around(func(s *script) {
		s.want[detect.UnresponsiveClick] = 1
		s.hammer(s.button(), s.between(7, 20), s.uniform(120, 300), s.uniform(1, 9), same("none", 0))
	})},
	{"rage on a picture", "the same on what takes no clicks", detect.RageClick, around(func(s *script) {
		s.want[detect.DeadClick] = 1
		s.hammer(s.plain(), s.between(7, 18), s.uniform(120, 280), s.uniform(1, 8), same("none", 0))
	})},
	{"rage beside another click", "one click elsewhere in the middle of the burst", detect.RageClick, around(func(s *script) {
		el, gap := s.button(), s.uniform(100, 200)
		s.hammer(el, s.between(4, 6), gap, 3, s.anyAnswer)
		kind, after := s.anyAnswer()
		s.click(s.button(), s.x+s.uniform(80, 300), s.y+s.uniform(50, 200), kind, after)
		s.wait(150, 300)
		s.hammer(el, s.between(4, 7), gap, 3, s.anyAnswer)
	})},
	{"stepper", "plus or minus, 6 to 20 times; 3 % are icons without any name", "", around(func(s *script) {
		el := pick(s, element{"button", "button", "+", "true", ""}, element{"button", "", "−", "true", ""},
			element{"button", "button", "", "true", `,"aria_label":"Increase quantity"`},
			element{"div", "spinbutton", "3", "true", ""}, element{"button", "button", "-", "true", ""})
		if s.chance(0.03) {
			el = element{"button", "button", "", "true", ""}
		}
		s.hammer(el, s.between(6, 20), s.uniform(130, 320), s.uniform(0.5, 3), same("mutation", s.between(5, 60)))
	})},
	{"pager or carousel", "next or previous, 6 to 20 times", "", around(func(s *script) {
		el := element{pick(s, "a", "button"), pick(s, "", "button", "link"), pick(s, "Next", "next ›", "›", "»", "Previous", "‹ Prev",
			"Next slide", "→", "❯", "Previous image"), "true", ""}
		s.hammer(el, s.between(6, 20), s.uniform(140, 330), s.uniform(0.5, 4), same("mutation", s.between(10, 80)))
	})},
	{"double clicks on words", "two to four double or triple clicks that select", "", around(func(s *script) {
		for range s.between(2, 4) {
			n := s.between(2, 3)
			for i := range n {
				answer := "none"
				if i > 0 || s.chance(0.3) {
					answer = "selection"
				}
				s.click(element{"p", "", "Some words", "false", ""}, s.x+s.normal(0, 6), s.y+s.normal(0, 2), answer, 8)
				s.wait(90, 220)
			}
			s.wait(520, 900)
		}
	})},
	{"caret in a text field", "6 to 10 clicks in a field", "", around(func(s *script) {
		el := element{pick(s, "input", "textarea"), pick(s, "", "textbox"), "", "true", `,"type":"text"`}
		s.hammer(el, s.between(6, 10), s.uniform(180, 330), s.uniform(3, 12), same("focus", 5))
	})},
	{"load more", "one button again and again, when it has answered", "", around(func(s *script) {
		s.hammer(element{"button", "button", "Load more", "true", ""}, s.between(5, 12), s.uniform(520, 1100), 2, same("mutation", 180))
	})},
	{"check boxes", "down a list of boxes, quickly", "", around(func(s *script) {
		pitch := s.uniform(26, 44)
		for i := range s.between(6, 10) {
			s.click(element{"input", "checkbox", "", "true", `,"type":"checkbox"`}, s.x+s.normal(0, 2), s.y+float64(i)*pitch+s.normal(0, 3), "mutation", 10)
			s.wait(240, 480)
		}
	})},
	{"key pad", "digits of a number on keys 44 to 64 px apart, some doubled", "", around(func(s *script) {
		pitch := s.uniform(44, 64)
		x, y := 0, 0
		for range s.between(6, 12) {
			if !s.chance(0.25) {
				x, y = s.IntN(3), s.IntN(4)
			}
			s.click(element{"button", "button", "5", "true", ""}, s.x+float64(x)*pitch+s.normal(0, 4), s.y+float64(y)*pitch+s.normal(0, 4), "mutation", 12)
			s.wait(170, 420)
		}
	})},
	{"one key of a pad", "the same digit two to five times among others", "", around(func(s *script) {
		for i := range s.between(2, 3) {
			s.hammer(element{"button", "button", "0", "true", ""}, s.between(1, 2-i/2), s.uniform(160, 300), 4, same("mutation", 9))
			s.click(element{"button", "button", "7", "true", ""}, s.x+s.uniform(44, 120), s.y-s.uniform(44, 120), "mutation", 9)
			s.wait(200, 450)
		}
	})},
	{"moving target", "a game: each click elsewhere", "", around(func(s *script) {
		for range s.between(8, 16) {
			s.click(s.button(), s.x+s.uniform(-160, 160), s.y+s.uniform(-120, 120), "mutation", 10)
			s.wait(180, 400)
		}
	})},
	{"impatient", "three to five clicks, then patience", "", around(func(s *script) {
		s.hammer(s.button(), s.between(3, 5), s.uniform(150, 300), 4, s.anyAnswer)
	})},
}

// Dead and unresponsive: what the SDK says of the answer is right but for some noise, and some clients say less.
var deadFamilies = []family{
	{"dead picture", "a click on what takes none; nothing answers", detect.DeadClick, around(func(s *script) {
		s.click(s.plain(), s.x, s.y, "none", 0)
	})},
	{"dead, several clicks", "two to four, less than a second apart: one signal", detect.DeadClick, around(func(s *script) {
		s.hammer(s.plain(), s.between(2, 4), s.uniform(150, 600), 3, same("none", 0))
	})},
	{"dead beside a ticker", "something else changes and polls; 2 % are mistaken for an answer by the SDK", detect.DeadClick, around(func(s *script) {
		for i := range int64(8) {
			s.addAt(s.now-5000+i*1300, "network", `{"method":"GET","url":"/api/ticker","status":200}`)
		}
		answer := "none"
		if s.chance(0.02) {
			answer = "mutation"
		}
		s.click(s.plain(), s.x, s.y, answer, 400)
	})},
	{"dead, plain client", "no click_outcome; the element is said to take no clicks", detect.DeadClick, around(func(s *script) {
		if s.chance(0.5) {
			for i := range int64(6) {
				s.addAt(s.now-7000+i*2100, "network", `{"method":"GET","url":"/api/ticker","status":200}`)
			}
		}
		el := s.plain()
		if s.chance(0.5) {
			el.interactive = "" // the tag decides
		}
		s.click(el, s.x, s.y, "", 0)
		if s.chance(0.5) { // and goes on by wheel
			s.addAt(s.now+int64(s.between(700, 3000)), "scroll", `{"depth":40,"y":700,"page_height":5200}`)
		}
	})},
	{"dead, then gone", "the visitor leaves within the time; the SDK says none as the page goes", detect.DeadClick, around(func(s *script) {
		id := s.click(s.plain(), s.x, s.y, "", 0)
		at := int64(s.between(900, 2400))
		s.addAt(s.now+at, "click_outcome", fmt.Sprintf(`{"click_id":%q,"kind":"none","after_ms":%d}`, id, at))
		s.addAt(s.now+at+5, "page_exit", fmt.Sprintf(`{"url":%q,"dwell_ms":9000,"depth":40}`, s.page))
	})},
	{"frozen button", "an interactive element; nothing answers", detect.UnresponsiveClick, around(func(s *script) {
		s.hammer(s.button(), s.between(1, 3), s.uniform(200, 700), 2, same("none", 0))
	})},
	{"answered", "a click that something answered, up to 2,480 ms later; 2 % of the answers the SDK does not see", "", around(func(s *script) {
		kind, after := s.anyAnswer()
		if s.chance(0.02) {
			kind = "none"
		}
		el := s.button()
		if s.chance(0.4) {
			el = s.plain() // a handler that the SDK did not see
		}
		s.click(el, s.x, s.y, kind, after)
	})},
	{"answered, plain client", "no click_outcome; a navigation, a request or typing follows", "", around(func(s *script) {
		s.click(s.plain(), s.x, s.y, "", 0)
		at := s.now + int64(s.between(20, 1800))
		switch s.IntN(3) {
		case 0:
			s.addAt(at, "navigate", `{"from":"https://shop.example/","to":"https://shop.example/basket","kind":"push"}`)
		case 1:
			s.addAt(at, "network", `{"method":"POST","url":"/api/basket","status":200}`)
		case 2:
			s.addAt(at, "input", `{"selector":"#q","tag":"input","type":"text","length":3}`)
		}
	})},
	{"answered, late word", "a plain client's outcome comes after the deadline", "", around(func(s *script) {
		id := s.click(s.plain(), s.x, s.y, "", 0)
		s.addAt(s.now+int64(s.between(3200, 6000)), "click_outcome", fmt.Sprintf(`{"click_id":%q,"kind":"mutation","after_ms":%d}`, id, s.between(100, 2400)))
		s.wait(3000, 4000)
	})},
	{"nothing known", "neither what the element is nor what happened", "", around(func(s *script) {
		s.click(element{}, s.x, s.y, "", 0)
	})},
	{"text selection", "click, drag or double click that selects, and the click that clears it", "", around(func(s *script) {
		s.click(element{"p", "", "Some words", "false", ""}, s.x, s.y, "selection", 10)
		s.wait(1200, 3000)
		s.click(element{"p", "", "Other words", "false", ""}, s.x+100, s.y+60, "selection", 6)
	})},
	{"closes a menu", "a click beside it", "", around(func(s *script) {
		s.click(element{"div", "", "", "false", ""}, s.x, s.y, "mutation", 12)
	})},
	{"label", "a click on a label, and on media", "", around(func(s *script) {
		s.click(element{pick(s, "label", "video", "audio"), "", "Name", pick(s, "false", "true", ""), ""}, s.x, s.y, pick(s, "none", "focus", ""), 4)
	})},
	{"leaves the page", "downloads, new tabs, mailto, tel, modifier keys, inputs, disabled controls", "", around(func(s *script) {
		el := element{"a", "link", "Price list", "true", pick(s, `,"href":"/list.pdf","download":true`, `,"href":"/x","target":"_blank"`,
			`,"href":"mailto:shop@example.com"`, `,"href":"tel:+841234"`, `,"ctrl":true`, `,"modifiers":["meta"]`)}
		if s.chance(0.3) {
			el = element{pick(s, "input", "select", "textarea"), "", "", "true", ""}
		} else if s.chance(0.2) {
			el = element{"button", "button", "Pay", "true", `,"disabled":true`}
		}
		s.click(el, s.x, s.y, pick(s, "none", "download", "navigation"), 30)
	})},
	{"second click answered", "two clicks on one place; the answer came with the second", "", around(func(s *script) {
		s.click(s.plain(), s.x, s.y, "none", 0)
		s.wait(150, 700)
		s.click(s.plain(), s.x+1, s.y, "mutation", s.between(20, 900))
	})},
}
