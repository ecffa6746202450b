package standalone

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gosight/gosight/ops/demo"
)

// playVisits fills an empty store with the recorded visits, by the way that every page's events take.
func (s *system) playVisits(ctx context.Context, ready Ready) {
	err := func() error {
		empty, err := s.storeIsEmpty(ctx)
		if err != nil {
			return err
		}
		if !empty {
			s.log.Info("no recorded visits are played: the store is not empty")
			return nil
		}
		return demo.Play(ctx, "http://"+ready.AgentHTTP, "http://"+ready.Demo, s.secrets.ProjectKey, time.Now())
	}()
	if err != nil && ctx.Err() == nil {
		s.log.Warn("cannot play the recorded visits", "error", err)
	}
}

func (s *system) storeIsEmpty(ctx context.Context) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.clickhouse.URL(),
		strings.NewReader("SELECT count() FROM (SELECT 1 FROM gosight.events LIMIT 1)"))
	if err != nil {
		return false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("ask for the number of events: %s", answer)
	}
	return strings.TrimSpace(string(answer)) == "0", err
}
