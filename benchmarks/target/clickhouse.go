package target

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// queryClient has a connection of its own, so that questions do not wait behind each other.
var queryClient = &http.Client{Timeout: 2 * time.Minute}

// Query runs a statement on ClickHouse over HTTP and returns its rows as tab-separated text.
func (s *System) Query(ctx context.Context, statement string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, HTTPURL(s.ClickHouse), strings.NewReader(statement))
	if err != nil {
		return "", fmt.Errorf("query ClickHouse: %w", err)
	}
	response, err := queryClient.Do(r)
	if err != nil {
		return "", fmt.Errorf("query ClickHouse: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("query ClickHouse: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("query ClickHouse: %s: %.500s", response.Status, text)
	}
	return strings.TrimSpace(string(text)), nil
}

// Column is the first column of a statement's rows.
func (s *System) Column(ctx context.Context, statement string) ([]string, error) {
	text, err := s.Query(ctx, statement+" FORMAT TabSeparated")
	if err != nil || text == "" {
		return nil, err
	}
	return strings.Split(text, "\n"), nil
}

// Count is the number of events that a run has in ClickHouse, each counted once.
func (s *System) Count(ctx context.Context, run string) (int64, error) {
	return s.count(ctx, run, "FINAL")
}

func (s *System) count(ctx context.Context, run, final string) (int64, error) {
	text, err := s.Query(ctx, fmt.Sprintf("SELECT count() FROM gosight.events %s "+
		"WHERE project = '%s' AND startsWith(session_id, '%s') FORMAT TabSeparated", final, s.Project, run))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// Await polls until ClickHouse counts at least want events of a run, and returns the last count. It gives up where
// the count has not changed for patience. Until there may be enough, rows are counted without a look for those that
// came twice, which would take CPU from what is measured.
func (s *System) Await(ctx context.Context, run string, want int64, patience time.Duration, seen func(int64)) (int64, error) {
	changed, last, final := time.Now(), int64(-1), ""
	for {
		count, err := s.count(ctx, run, final)
		if err != nil {
			return last, err
		}
		seen(count)
		if count >= want {
			if final != "" {
				return count, nil
			}
			final = "FINAL"
			continue
		}
		if count != last {
			changed, last = time.Now(), count
		}
		if time.Since(changed) > patience {
			return count, nil
		}
		select {
		case <-ctx.Done():
			return count, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Visible returns which of the ids of a session a query finds.
func (s *System) Visible(ctx context.Context, session string, ids []string) ([]string, error) {
	text, err := s.Query(ctx, fmt.Sprintf("SELECT event_id FROM gosight.events "+
		"WHERE project = '%s' AND session_id = '%s' AND event_id IN ('%s') FORMAT TabSeparated",
		s.Project, session, strings.Join(ids, "','")))
	if err != nil || text == "" {
		return nil, err
	}
	return strings.Split(text, "\n"), nil
}

// API asks the aggregator's API for a path below /api/v1 and returns how many bytes it answered.
func (s *System) API(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	query.Set("project", s.Project)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, HTTPURL(s.UI)+"/api/v1"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask the API: %w", err)
	}
	if s.AdminToken != "" {
		r.Header.Set("Authorization", "Bearer "+s.AdminToken)
	}
	response, err := queryClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the API: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("ask the API: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the API: %s: %s: %.300s", path, response.Status, text)
	}
	return text, nil
}
