package redact

import (
	"encoding/json"
	"github.com/gosight/gosight/internal/registry"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	s := New(Default(), registry.Privacy{})
	for in, want := range map[string]string{
		`{"text":"write to ann.lee+x@mail.example.com."}`:             `{"text":"write to [mail]."}`,
		`{"text":"line\nbob@example.org"}`:                            `{"text":"line\n[mail]"}`,
		`{"text":"\u00e9bob@example.org"}`:                            `{"text":"[mail]"}`,
		`{"text":"a b\u00f6b@exämple.org, c\u0040d.example\n"}`:       `{"text":"a [mail], [mail]\n"}`,
		`{"text":"\\u00e9b@example.org"}`:                             `{"text":"\\u00e9[mail]"}`,
		`{"href":"/a?token=x\u0026pwd=y&amp;sid=z#code=1","n":2}`:     `{"href":"/a?token=[cut]\u0026pwd=[cut]&amp;sid=[cut]#code=[cut]","n":2}`,
		`{"a":"{\"u\":\"/a?key=b\\/c\"}","css":"url(/i.png?key=d)"}`:  `{"a":"{\"u\":\"/a?key=[cut]\"}","css":"url(/i.png?key=[cut])"}`,
		`{"to":"/?to=https%3A%2F%2Fb.example%2F%3Fkey%3Dc%26d%3De"}`:  `{"to":"/?to=https%3A%2F%2Fb.example%2F%3Fkey%3D[cut]%26d%3De"}`,
		`{"t":"a & b, R&D #1? key = 5? #key &amp;"}`:                  ``,
		`{"url":"/x?to=bob%40example.org&y=1"}`:                       `{"url":"/x?to=[mail]&y=1"}`,
		`{"t":"4111 1111 1111 1111; or (4111-1111-1111-1111)"}`:       `{"t":"[card]; or ([card])"}`,
		`{"number":4111111111111111,"n":[4111111111111111]}`:          `{"number":0,"n":[0]}`,
		`{"t":"378282246310005"}`:                                     `{"t":"[card]"}`,
		`{"a":"eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK","b":1}`:        `{"a":"[token]","b":1}`,
		`{"t":"a@b.co, c@d.co"}`:                                      `{"t":"[mail], [mail]"}`,
		`{"css":"@media print{} .a{background:url(i@2x.png)}"}`:       ``,
		`{"t":"4111 1111 1111 1112"}`:                                 ``,
		`{"ts":1700000000000,"id":"1234567890123456789","n":3.14159}`: ``,
		`{"t":"lodash@4.17.21/lodash.min.js at @ home"}`:              ``,
		`{}`: ``,
		``:   ``,
	} {
		if want == "" {
			want = in
		}
		if got, _ := s.Text(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestURL(t *testing.T) {
	s := New(Default(), registry.Privacy{})
	for in, want := range map[string]string{
		"https://shop.example/p?id=7":                      "https://shop.example/p?id=7",
		"https://shop.example/p?id=7&Token=abc&q=a#top":    "https://shop.example/p?id=7&Token=[cut]&q=a#top",
		"https://shop.example/reset?mail=bob%40example.co": "https://shop.example/reset?mail=[cut]",
		"https://shop.example/u/bob@example.co?q":          "https://shop.example/u/[mail]?q",
		"https://shop.example/#access_token=a.b&x=1":       "https://shop.example/#access_token=[cut]&x=1",
		"https://shop.example/?%74oken=abc":                "https://shop.example/?%74oken=[cut]",
		"https://shop.example/?token=":                     "https://shop.example/?token=",
	} {
		if got, _ := s.Text(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

// What was valid JSON stays valid JSON, and scrubbing twice changes nothing more.
func FuzzPayload(f *testing.F) {
	f.Add(`{"text":"\\\nbob@example.org 4111 1111 1111 1111 eyJaaaa.bbbb.cccc"}`)
	f.Add(`["\u0041@a.bc","@","%40","4111111111111111"]`)
	f.Add(`{"props":{"address":{"street":"x\"y"},"n":123456789},"items":[{"name":"a"},{"name":"b"}],"q":"\\ +84 912 345 678 123-45-6789"}`)
	f.Add("@" + strings.Repeat("\x81", 254))
	f.Add(`["\u00e9@a.bc?token=\\\"\u0026key=a\/b%26c#sid=\u0041&amp;pwd=","https%3A%2F%2Fa%3Fkey%3D\n"]`)
	s := New(Default(), registry.Privacy{
		Patterns: []string{`\d{9}`, `[\\"]`, `x.`}, JSONPaths: []string{"props.address", "items.#.name"}, Phones: true, NationalIDs: true,
	})
	f.Fuzz(func(t *testing.T, text string) {
		out, _ := s.Payload(text)
		if json.Valid([]byte(text)) && !json.Valid([]byte(out)) {
			t.Fatalf("%q became invalid JSON %q", text, out)
		}
	})
}

func BenchmarkReferenceEvent(b *testing.B) {
	s := New(Default(), registry.Privacy{})
	payload := `{"x":412,"y":380,"vw":1280,"vh":720,"page_x":412,"page_y":1180,"selector":"main>div.products>article:nth-child(3)>button.buy","tag":"button","text":"Add to basket","interactive":true}`
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, found := s.Text(payload); found != 0 {
			b.Fatal("masked something")
		}
	}
}

func BenchmarkReplay(b *testing.B) {
	s := New(Default(), registry.Privacy{})
	text := strings.Repeat(`{"type":2,"tagName":"div","attributes":{"class":"card"},"childNodes":[],"id":123},`, 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Text(text)
	}
}

func TestProjectsOwnRules(t *testing.T) {
	s := New(Default(), registry.Privacy{
		Patterns: []string{`KH-\d+`, `^\d{9}$`}, JSONPaths: []string{"props.address", "items.#.name"},
		Params: []string{"Customer"}, Phones: true, NationalIDs: true,
	})
	for in, want := range map[string]string{
		`{"text":"customer KH-1234","KH-1":2}`:                                  `{"text":"customer [masked]","[masked]":2}`,
		`{"n":123456789,"m":1234567890}`:                                        `{"n":0,"m":1234567890}`,
		`{"props":{"address":{"street":"12 Hang Bac"},"ok":1}}`:                 `{"props":{"address":"[masked]","ok":1}}`,
		`{"items":[{"name":"a"},{"x":1},{"name":"bb"}]}`:                        `{"items":[{"name":"[masked]"},{"x":1},{"name":"[masked]"}]}`,
		`{"t":"call +84 912 345 678 or +1 (555) 010-9999."}`:                    `{"t":"call [phone] or [phone]."}`,
		`{"t":"1 + 2 = 3, +0 12345678"}`:                                        `{"t":"1 + 2 = 3, +0 12345678"}`,
		`{"t":"ssn 123-45-6789, 000-12-3456, cccd 001203004567, 999203004567"}`: `{"t":"ssn [id], 000-12-3456, cccd [id], 999203004567"}`,
	} {
		if got, _ := s.Payload(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
	if got, n := s.Text("https://a.example/?customer=5&x=KH-77"); got != "https://a.example/?customer=[cut]&x=[masked]" || n != 2 {
		t.Errorf("%s, %d", got, n)
	}
}
