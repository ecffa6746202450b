package enrich

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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

// A database that takes the place of the one in use is looked in from then on; what is no database changes nothing.
func TestDatabaseIsReplacedWhileInUse(t *testing.T) {
	const folder = "../../node_modules/@ip-location-db/geo-whois-asn-country-mmdb/"
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	put := func(content []byte, err error) {
		t.Helper()
		// Moved into place: what is mapped must not change under its readers.
		if err := errors.Join(err, os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	onlyV4, err := os.ReadFile(folder + "geo-whois-asn-country-ipv4.mmdb")
	if err != nil {
		t.Skip("NOT RUN: no country database; run `npm ci` first")
	}
	put(onlyV4, nil)
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{GeoDB: path}, nil)
		if err != nil {
			t.Fatal(err)
		}
		country := func(addr string) string { return e.Enrich(nil, netip.MustParseAddr(addr), "")["country"] }
		ctx, cancel := context.WithCancel(t.Context())
		var failures atomic.Int32
		var running sync.WaitGroup
		running.Go(func() { e.Watch(ctx, func() { failures.Add(1) }, slog.New(slog.DiscardHandler)) })
		running.Go(func() { // it is in use all the time
			for ctx.Err() == nil {
				if got := country("14.161.0.1"); got != "VN" {
					t.Errorf("while databases come and go: %q", got)
				}
				time.Sleep(time.Second)
			}
		})
		const v6 = "2001:67c:2e8::1"
		if got := country(v6); got != "" {
			t.Fatalf("%s is in %q already", v6, got)
		}
		put([]byte("no database"), nil)
		time.Sleep(geographyInterval + time.Second)
		if got := country("14.161.0.1"); got != "VN" || failures.Load() != 1 {
			t.Errorf("with no database in its place: %q, %d failures", got, failures.Load())
		}
		put(os.ReadFile(folder + "geo-whois-asn-country.mmdb"))
		time.Sleep(geographyInterval + time.Second)
		runtime.GC() // unmaps the first
		if got := country(v6); got != "NL" || failures.Load() != 1 {
			t.Errorf("with another in its place: %q, %d failures", got, failures.Load())
		}
		cancel()
		running.Wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMissingDatabaseIsAnError(t *testing.T) {
	if _, err := New(Config{GeoDB: "/nowhere.mmdb"}, nil); err == nil {
		t.Fatal("a missing database passed")
	}
}
