package enrich

import (
	"maps"
	"net/netip"
	"os"
	"testing"
)

const chromeOnAndroid = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.6613.88 Mobile Safari/537.36"

func TestEnrich(t *testing.T) {
	fixed := map[string]string{"agent": "a1"}
	for name, tc := range map[string]struct {
		cfg       Config
		in        map[string]string
		addr      string
		userAgent string
		want      map[string]string
	}{
		"user agent": {
			userAgent: chromeOnAndroid,
			want:      map[string]string{"agent": "a1", "browser": "Chrome", "browser_version": "128.0.6613.88", "os": "Android", "device": "mobile"},
		},
		"what the client says stays": {
			in:        map[string]string{"browser": "Kiosk", "url": "/x"},
			userAgent: chromeOnAndroid,
			want:      map[string]string{"agent": "a1", "url": "/x", "browser": "Kiosk", "browser_version": "128.0.6613.88", "os": "Android", "device": "mobile"},
		},
		"an address ends here": {
			in:   map[string]string{"ip": "203.0.113.9"},
			want: map[string]string{"agent": "a1"},
		},
		"truncated on request": {
			cfg:  Config{TruncateIP: true},
			addr: "203.0.113.9",
			want: map[string]string{"agent": "a1", "ip_network": "203.0.113.0/24"},
		},
		"a reported visitor wins over the connection": {
			cfg:       Config{TruncateIP: true},
			in:        map[string]string{"ip": "2001:db8:1:2::3", "user_agent": chromeOnAndroid},
			addr:      "203.0.113.9",
			userAgent: "node",
			want:      map[string]string{"agent": "a1", "ip_network": "2001:db8:1::/48", "browser": "Chrome", "browser_version": "128.0.6613.88", "os": "Android", "device": "mobile"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := New(tc.cfg, fixed)
			if err != nil {
				t.Fatal(err)
			}
			addr, _ := netip.ParseAddr(tc.addr)
			if got := e.Enrich(tc.in, addr, tc.userAgent); !maps.Equal(got, tc.want) {
				t.Errorf("got  %v\nwant %v", got, tc.want)
			}
		})
	}
}

func TestCountryFromAddress(t *testing.T) {
	db := "../../node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb"
	if _, err := os.Stat(db); err != nil {
		t.Skip("NOT RUN: no country database; run `npm ci` first")
	}
	e, err := New(Config{GeoDB: db}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for addr, want := range map[string]string{"14.161.0.1": "VN", "::ffff:8.8.8.8": "US", "2001:67c:2e8::1": "NL", "127.0.0.1": "", "10.1.2.3": ""} {
		if got := e.Enrich(nil, netip.MustParseAddr(addr), "")["country"]; got != want {
			t.Errorf("%s is in %q, want %q", addr, got, want)
		}
	}
}

func TestMissingDatabaseIsAnError(t *testing.T) {
	if _, err := New(Config{GeoDB: "/nowhere.mmdb"}, nil); err == nil {
		t.Fatal("a missing database passed")
	}
}
