package visit

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// templates are payloads by device: a history picks from them instead of writing each anew.
type templates struct {
	width, height                                                int
	pointers, scrolls, clicks, inputs, requests, customs, vitals []string
	exits, failures                                              []string
	clicksOn                                                     map[string][]string // by selector
}

type client struct{ browser, system, device string }

type place struct{ country, city, language, agent, region string }

// weighted is a value and how many of a thousand have it.
type weighted[T any] struct {
	of    int
	value T
}

func pickBy[T any](rng *rand.Rand, from []weighted[T]) T {
	dice := rng.IntN(1000)
	for _, w := range from {
		if dice -= w.of; dice < 0 {
			return w.value
		}
	}
	return from[0].value
}

var (
	clients = []weighted[client]{
		{330, client{"Chrome", "Windows", "desktop"}}, {200, client{"Chrome", "Android", "mobile"}},
		{180, client{"Safari", "iOS", "mobile"}}, {90, client{"Safari", "macOS", "desktop"}},
		{80, client{"Firefox", "Windows", "desktop"}}, {60, client{"Edge", "Windows", "desktop"}},
		{40, client{"Safari", "iPadOS", "tablet"}}, {15, client{"Firefox", "Linux", "desktop"}},
		{5, client{"Opera", "Windows", "desktop"}},
	}
	places = []weighted[place]{
		{300, place{"VN", "Hanoi", "vi-VN", "edge-sg-1", "ap-southeast"}}, {250, place{"DE", "Leipzig", "de-DE", "edge-fra-1", "eu-central"}},
		{180, place{"US", "Portland", "en-US", "edge-pdx-1", "us-west"}}, {90, place{"FR", "Lyon", "fr-FR", "edge-fra-2", "eu-central"}},
		{70, place{"JP", "Kyoto", "ja-JP", "edge-nrt-1", "ap-northeast"}}, {50, place{"BR", "Recife", "pt-BR", "edge-gru-1", "sa-east"}},
		{40, place{"GB", "Leeds", "en-GB", "edge-fra-2", "eu-central"}}, {15, place{"NZ", "Nelson", "en-NZ", "edge-sg-1", "ap-southeast"}},
		{5, place{"IS", "Akureyri", "is-IS", "edge-fra-1", "eu-central"}},
	}
	answers = []string{"mutation", "mutation", "mutation", "navigate", "network", "focus"}
	// troubles are what is wrong with the shop.
	troubles = []struct{ kind, selector, text string }{
		{"dead_click", "figure.zoom > img", ""}, {"rage_click", "#pay", "Place order"}, {"dead_click", ".card > .pic", ""},
		{"unresponsive_click", "#apply-code", "Apply code"}, {"error_click", "#pay", "Place order"},
		{"thrashed_cursor", "", ""}, {"quick_back", "", ""}, {"dead_click", "span.price", "49.00 EUR"},
		{"excessive_scroll", "", ""}, {"rage_click", "button.next", "Show more"}, {"u_turn", "", ""},
	}
	shopPages = func() []string {
		made := []string{"https://shop.example/", "https://shop.example/cart", "https://shop.example/checkout",
			"https://shop.example/search", "https://shop.example/account"}
		for i := range 30 {
			made = append(made, "https://shop.example/plants/"+strconv.Itoa(i))
		}
		for i := range 365 {
			made = append(made, pageURL(i))
		}
		return made
	}()
)

func pageTitle(page int) string { return "Page " + strconv.Itoa(page) }

func newTemplates(device string, rng *rand.Rand) *templates {
	t := &templates{width: 1280, height: 720, clicksOn: map[string][]string{}}
	switch device {
	case "mobile":
		t.width, t.height = 390, 844
	case "tablet":
		t.width, t.height = 820, 1180
	}
	some := func(n int, one func() string) []string {
		made := make([]string, n)
		for i := range made {
			made[i] = one()
		}
		return made
	}
	click := func(selector, text string, interactive bool) string {
		x, y := rng.IntN(t.width), rng.IntN(t.height)
		return fmt.Sprintf(`{"x":%d,"y":%d,"vw":%d,"vh":%d,"page_x":%d,"page_y":%d,"selector":%q,"tag":"button","role":"","text":%q,"button":0,"interactive":%t}`,
			x, y, t.width, t.height, x, y+rng.IntN(2400), selector, text, interactive)
	}
	t.clicks = some(1500, func() string {
		return click(fmt.Sprintf("main>div.products>article:nth-child(%d)>button", 1+rng.IntN(48)), "Add to basket", true)
	})
	for _, trouble := range troubles {
		t.clicksOn[trouble.selector] = some(50, func() string {
			return click(trouble.selector, trouble.text, trouble.kind != "dead_click")
		})
	}
	t.pointers = some(1500, func() string { return path(rng, rng.IntN(t.width), rng.IntN(t.height)) })
	t.scrolls = some(1000, func() string {
		depth := 5 + rng.IntN(96)
		return fmt.Sprintf(`{"depth":%d,"y":%d,"page_height":4200}`, depth, depth*42)
	})
	t.inputs = some(300, func() string {
		return fmt.Sprintf(`{"selector":"form#checkout>input:nth-child(%d)","tag":"input","type":"text","length":%d}`, rng.IntN(9), rng.IntN(30))
	})
	t.requests = some(500, func() string {
		return fmt.Sprintf(`{"method":"GET","url":"/api/stock/%d","status":%d,"duration_ms":%d}`, rng.IntN(999), pick(rng, []int{200, 200, 200, 200, 404, 502}), rng.IntN(400))
	})
	t.customs = some(600, func() string {
		switch rng.IntN(3) {
		case 0:
			return fmt.Sprintf(`{"name":"basket","props":{"items":%d,"gift":%t}}`, rng.IntN(9), rng.IntN(10) == 0)
		case 1:
			return fmt.Sprintf(`{"name":"search","props":{"term":%q,"hits":%d}}`, token(rng, 3), rng.IntN(40))
		}
		return fmt.Sprintf(`{"name":"coupon","props":{"code":"C%03d"}}`, rng.IntN(300))
	})
	t.vitals = some(300, func() string {
		value, rating := 600+rng.IntN(3000), "good"
		if value > 2500 {
			rating = "needs-improvement"
		}
		return fmt.Sprintf(`{"name":"LCP","value":%d,"rating":%q}`, value, rating)
	})
	t.exits = some(300, func() string { return fmt.Sprintf(`{"dwell_ms":%d,"depth":%d}`, rng.IntN(60000), rng.IntN(101)) })
	t.failures = some(60, func() string {
		line := rng.IntN(20)
		return fmt.Sprintf(`{"message":"Cannot read properties of undefined (reading 'field%d')","source":"/app.js","line":%d,"column":17,"stack":"at total (/app.js:%d:17)"}`, line, line, line)
	})
	return t
}
