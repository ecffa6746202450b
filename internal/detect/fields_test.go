package detect

import (
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"
)

func TestFields(t *testing.T) {
	const payload = ` { "x" : -12.5e1,"text":"a \"b\\","u":"\u00e9", "list":[1,{"}":"]"}],"yes":true , "no":null,"deep":{"x":1},"last":7 } `
	want := []string{`x=-12.5e1`, `text="a \"b\\"`, `u="\u00e9"`, `list=[1,{"}":"]"}]`, `yes=true`, `no=null`, `deep={"x":1}`, `last=7`}
	var got []string
	for f := fieldsOf(payload); f.next(); {
		got = append(got, f.key+"="+string(f.v))
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %q", got)
	}
	if got := field(payload, "text").text(); got != `a "b\` {
		t.Errorf("text is %q", got)
	}
	if got := field(payload, "u").text(); got != "é" {
		t.Errorf("text is %q", got)
	}
	if got := field(payload, "x").number(); got != -125 {
		t.Errorf("number is %v", got)
	}
	if got := field(payload, "gone"); got != "" {
		t.Errorf("a field that is not there is %q", got)
	}
	for v, want := range map[value]bool{`[]`: false, `[ ]`: false, `["a"]`: true, `{}`: false, `""`: false, `"a"`: true, `0`: false, `2`: true,
		`null`: false, ``: false, `true`: true, `false`: false} {
		if v.holds() != want {
			t.Errorf("%s holds something: %v", v, v.holds())
		}
	}
}

// FuzzFields: of an object that is JSON every field is read, as encoding/json reads it; of anything else, something or
// nothing.
func FuzzFields(f *testing.F) {
	for _, payload := range []string{`{}`, `{"a":1,"b":"\\\"","c":[[],{}]}`, `{"a":"\ud800","b":-0.5E+3}`, `{"a`, `{"a":`, `{"a":1,`, `{"a" 1}`, `[]`,
		`{"a":{"b":[{"c":"]}"}]}}`, "\"\\", `{"x":9999999999999999,"y":1e999}`, "", ` {"a":tru`} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		read := map[string]value{}
		for f := fieldsOf(payload); f.next(); {
			read[f.key] = f.v
			_, _, _ = f.v.number(), f.v.truth(), f.v.holds()
		}
		var want map[string]json.RawMessage
		if !utf8.ValidString(payload) || json.Unmarshal([]byte(payload), &want) != nil {
			return // protobuf's strings are valid
		}
		for key, raw := range want {
			quoted, _ := json.Marshal(key)
			if string(quoted) != `"`+key+`"` {
				continue // names with escapes are none that the detectors look for
			}
			if string(read[key]) != string(raw) {
				t.Fatalf("%q is read as %q, not %q", key, read[key], raw)
			}
			var text string
			var number float64
			if json.Unmarshal(raw, &text) == nil && raw[0] == '"' && read[key].text() != text {
				t.Fatalf("%s is read as text %q", raw, read[key].text())
			}
			if json.Unmarshal(raw, &number) == nil && read[key].number() != number {
				t.Fatalf("%s is read as number %v", raw, read[key].number())
			}
		}
	})
}
