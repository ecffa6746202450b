package load

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// Browser sends batches as the web SDK does: Connect unary calls over HTTP, protobuf, the same batch again where the
// agent is busy or away.
type Browser struct {
	// URL is the agent's HTTP port, http://host:port.
	URL string
	// Key is the project's write key, or "".
	Key      string
	Compress bool
	Client   *http.Client
}

// SendBatch implements Sender.
func (b *Browser) SendBatch(ctx context.Context, batch *gosight.EventBatch) (*gosight.Status, error) {
	body, err := batch.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	if b.Compress {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(body) // memory does not fail
		_ = w.Close()
		body = packed.Bytes()
	}
	for backoff := 50 * time.Millisecond; ; backoff = min(2*backoff, 2*time.Second) {
		answer, delay, err := b.post(ctx, body)
		if err == nil && answer.Reasons["queue_full"] == 0 {
			return answer, nil
		}
		if err != nil && delay < 0 {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(max(backoff, delay, answer.GetRetryDelay().AsDuration())):
		}
	}
}

// post returns a negative delay where the failure is for good.
func (b *Browser) post(ctx context.Context, body []byte) (*gosight.Status, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.URL+"/gosight.Ingestor/SendBatch", bytes.NewReader(body))
	if err != nil {
		return nil, -1, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/proto")
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36")
	if b.Compress {
		r.Header.Set("Content-Encoding", "gzip")
	}
	if b.Key != "" {
		r.Header.Set("X-Gosight-Key", b.Key)
	}
	response, err := b.Client.Do(r)
	if err != nil {
		return nil, 0, fmt.Errorf("post batch: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, 0, fmt.Errorf("read answer: %w", err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		answer := &gosight.Status{}
		if err := answer.UnmarshalVT(text); err != nil {
			return nil, -1, fmt.Errorf("decode answer: %w", err)
		}
		return answer, 0, nil
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // absent: 0
		return nil, time.Duration(seconds) * time.Second, fmt.Errorf("agent answered %s", response.Status)
	}
	return nil, -1, fmt.Errorf("agent answered %s: %.200s", response.Status, text)
}
