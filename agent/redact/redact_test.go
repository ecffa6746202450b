package redact

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	s := New(Default())
	for in, want := range map[string]string{
		`{"text":"write to ann.lee+x@mail.example.com."}`:             `{"text":"write to [mail]."}`,
		`{"text":"line\nbob@example.org"}`:                            `{"text":"line\n[mail]"}`,
		`{"text":"\u00e9bob@example.org"}`:                            `{"text":"\u00e9[mail]"}`,
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
	s := New(Default())
	for in, want := range map[string]string{
		"https://shop.example/p?id=7":                      "https://shop.example/p?id=7",
		"https://shop.example/p?id=7&Token=abc&q=a#top":    "https://shop.example/p?id=7&Token=[cut]&q=a#top",
		"https://shop.example/reset?mail=bob%40example.co": "https://shop.example/reset?mail=[cut]",
		"https://shop.example/u/bob@example.co?q":          "https://shop.example/u/[mail]?q",
	} {
		if got, _ := s.URL(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

// What was valid JSON stays valid JSON, and scrubbing twice changes nothing more.
func FuzzText(f *testing.F) {
	f.Add(`{"text":"\\\nbob@example.org 4111 1111 1111 1111 eyJaaaa.bbbb.cccc"}`)
	f.Add(`["\u0041@a.bc","@","%40","4111111111111111"]`)
	s := New(Default())
	f.Fuzz(func(t *testing.T, text string) {
		out, _ := s.Text(text)
		if json.Valid([]byte(text)) && !json.Valid([]byte(out)) {
			t.Fatalf("%q became invalid JSON %q", text, out)
		}
		s.URL(text)
	})
}

func BenchmarkReferenceEvent(b *testing.B) {
	s := New(Default())
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
	s := New(Default())
	text := strings.Repeat(`{"type":2,"tagName":"div","attributes":{"class":"card"},"childNodes":[],"id":123},`, 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Text(text)
	}
}
