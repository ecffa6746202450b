package gosight

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"
)

// What the web SDK puts on the requests of a page, to its own origin and to the origins that the site allows.
const (
	// SessionHeader names the visit.
	SessionHeader = "X-GoSight-Session"
	// PageHeader names the page view within the visit.
	PageHeader = "X-GoSight-Page"
)

// maxHeaderID is the agent's limit for ids. A longer one is not of the web SDK's making.
const maxHeaderID = 128

// requestDetails is the payload of a server's network event: what the browser's has, seen from the other end.
type requestDetails struct {
	Method     string  `json:"method"`
	URL        string  `json:"url"`
	Route      string  `json:"route,omitempty"`
	Status     int     `json:"status"`
	DurationMS float64 `json:"duration_ms"`
	Side       string  `json:"side"`
}

type panicDetails struct {
	Message string `json:"message"`
	Stack   string `json:"stack"`
	Source  string `json:"source"`
	Side    string `json:"side"`
}

// Middleware ties each request to the visit that caused it: handlers find it in the request's context ([Session]),
// so what they [Client.Track] lands in that visit, and the request itself becomes a network event with its route,
// status and duration, and a panic an error event. Neither query nor body nor header values are recorded. Requests
// without a visit pass untouched.
//
// The session header comes from the browser and proves nothing: use it to tell what happened, never to decide who
// may do what.
func (c *Client) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := headerID(r, SessionHeader)
		if session == "" {
			next.ServeHTTP(w, r)
			return
		}
		r = r.WithContext(WithSession(r.Context(), session))
		page := headerID(r, PageHeader)
		start := time.Now()
		recorded := &statusRecorder{ResponseWriter: w}
		defer func() {
			fault := recover()
			if fault != nil && fault != http.ErrAbortHandler {
				if recorded.status == 0 {
					recorded.status = http.StatusInternalServerError
				}
				c.observe(r.Context(), "error", page, start, panicDetails{
					Message: cut(fmt.Sprint(fault), 256), Stack: cut(string(debug.Stack()), 8<<10), Source: r.Pattern, Side: "server",
				})
			}
			if recorded.status == 0 {
				recorded.status = http.StatusOK
			}
			c.observe(r.Context(), "network", page, start, requestDetails{
				Method: r.Method, URL: cut(r.URL.Path, 2048), Route: route(r.Pattern), Status: recorded.status,
				DurationMS: float64(time.Since(start).Microseconds()) / 1000, Side: "server",
			})
			if fault != nil {
				panic(fault) // net/http answers and logs it, as without us
			}
		}()
		next.ServeHTTP(recorded, r)
	})
}

// observe buffers an event, or counts it in Stats.Full: a request never waits for GoSight, nor fails by it.
func (c *Client) observe(ctx context.Context, eventType, page string, at time.Time, details any) {
	payload, err := json.Marshal(details)
	if err != nil {
		c.log.Error("gosight: encode "+eventType, "error", err)
		return
	}
	ev := &Event{EventType: eventType, Payload: string(payload), Timestamp: at.UnixMilli()}
	if page != "" {
		ev.Metadata = map[string]string{"page_id": page}
	}
	_ = c.Enqueue(ctx, ev)
}

// headerID returns a header's value where it can be an id.
func headerID(r *http.Request, name string) string {
	id := r.Header.Get(name)
	if len(id) > maxHeaderID || !utf8.ValidString(id) {
		return ""
	}
	return id
}

// route is a ServeMux pattern without its method.
func route(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return strings.TrimLeft(path, " ")
	}
	return pattern
}

func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size], "")
}

// statusRecorder remembers the status. http.ResponseController finds flushing, deadlines and hijacking through Unwrap.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(code int) {
	// 1xx are announcements, except that 101 is the last word.
	if s.status == 0 && (code >= 200 || code == http.StatusSwitchingProtocols) {
		s.status = code
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *statusRecorder) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(p)
}

// Flush keeps the many handlers working that ask for http.Flusher by type.
func (s *statusRecorder) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

// Unwrap serves http.ResponseController.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
