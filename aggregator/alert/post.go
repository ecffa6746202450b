package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// SignatureHeader holds "sha256=" and the hexadecimal HMAC-SHA256 of the body, by the rule's secret.
const SignatureHeader = "X-Gosight-Signature"

// post delivers a message, with retries. What the receiver refuses for good is not tried again now.
func (w *Watcher) post(ctx context.Context, rule *Rule, message Message) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode alert: %w", err)
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 200*time.Millisecond, 10*time.Second
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, w.postOnce(ctx, rule, body) },
		backoff.WithBackOff(wait), backoff.WithMaxTries(w.cfg.Tries), backoff.WithMaxElapsedTime(2*time.Minute))
	if err != nil {
		return fmt.Errorf("post alert to %s: %w", rule.Webhook, err)
	}
	return nil
}

func (w *Watcher) postOnce(ctx context.Context, rule *Rule, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, rule.Webhook, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if len(rule.secret) > 0 {
		mac := hmac.New(sha256.New, rule.secret)
		mac.Write(body)
		request.Header.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	response, err := w.client.Do(request)
	if err != nil {
		w.metrics.posts.WithLabelValues("unreachable").Inc()
		return err
	}
	defer response.Body.Close()
	io.CopyN(io.Discard, response.Body, 64<<10) // so that the connection can be used again
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		w.metrics.posts.WithLabelValues("taken").Inc()
		return nil
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		w.metrics.posts.WithLabelValues("busy").Inc()
		return fmt.Errorf("answered %s", response.Status)
	default:
		w.metrics.posts.WithLabelValues("refused").Inc()
		return backoff.Permanent(fmt.Errorf("answered %s", response.Status))
	}
}

type metrics struct {
	evaluations, posts *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		evaluations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_alert_evaluations_total",
			Help: "Evaluations of alert rules, by result: quiet, cooling (posted a while ago), posted or failed.",
		}, []string{"result"}),
		posts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gosight_alert_posts_total",
			Help: "Posts to webhooks, by result: taken, busy (5xx, 408, 429; tried again), refused or unreachable.",
		}, []string{"result"}),
	}
	reg.MustRegister(m.evaluations, m.posts)
	return m
}
