package demo

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/gosight/gosight/proto/gen/gosight"
)

//go:embed visits
var visitFiles embed.FS

// Visit is a recorded visit to the demo shop: what the SDK sent, batch by batch.
type Visit struct {
	File       string                `json:"file"`
	Origin     string                `json:"origin"` // of the shop, when it was recorded
	UserAgent  string                `json:"user_agent"`
	MinutesAgo int                   `json:"minutes_ago"` // when it is to have ended, before now
	Batches    []*gosight.EventBatch `json:"-"`
}

// Visits reads the recorded visits, oldest first.
func Visits() ([]Visit, error) {
	text, err := visitFiles.ReadFile("visits/visits.json")
	if err != nil {
		return nil, err
	}
	var visits []Visit
	if err := json.Unmarshal(text, &visits); err != nil {
		return nil, fmt.Errorf("read the list of visits: %w", err)
	}
	for i := range visits {
		packed, err := visitFiles.ReadFile("visits/" + visits[i].File)
		if err != nil {
			return nil, err
		}
		if visits[i].Batches, err = unpack(packed); err != nil {
			return nil, fmt.Errorf("read the visit %s: %w", visits[i].File, err)
		}
	}
	return visits, nil
}

func unpack(packed []byte) ([]*gosight.EventBatch, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	var batches []*gosight.EventBatch
	for reader := bufio.NewReader(unzipped); ; {
		batch := &gosight.EventBatch{}
		err := protodelim.UnmarshalOptions{MaxSize: 16 << 20}.UnmarshalFrom(reader, batch)
		if errors.Is(err, io.EOF) {
			return batches, nil
		}
		if err != nil {
			return nil, err
		}
		batches = append(batches, batch)
	}
}

// At returns the visit as one of now to the shop at shopURL: a new session, and every time shifted so that it ended
// MinutesAgo.
func (v Visit) At(now time.Time, shopURL string) ([]*gosight.EventBatch, error) {
	var last int64
	for _, batch := range v.Batches {
		for _, event := range batch.Events {
			last = max(last, event.Timestamp)
		}
	}
	shift := now.Add(-time.Duration(v.MinutesAgo)*time.Minute).UnixMilli() - last
	session := strings.ToLower(rand.Text()[:24])
	shifted := make([]*gosight.EventBatch, len(v.Batches))
	for i, recorded := range v.Batches {
		batch := proto.Clone(recorded).(*gosight.EventBatch)
		batch.SessionId = session
		// The agent takes a wrong clock out of what it gets; this one is right.
		batch.SentAt = now.UnixMilli()
		moveURLs(batch.Metadata, v.Origin, shopURL)
		for _, event := range batch.Events {
			event.Timestamp += shift
			event.Payload = strings.ReplaceAll(event.Payload, v.Origin, shopURL)
			moveURLs(event.Metadata, v.Origin, shopURL)
			if event.SessionId != "" {
				event.SessionId = session
			}
			if event.EventType == "full_snapshot" || event.EventType == "mutation" {
				payload, err := shiftReplay(event.Payload, shift)
				if err != nil {
					return nil, fmt.Errorf("shift a replay event of %s: %w", v.File, err)
				}
				event.Payload = payload
			}
		}
		shifted[i] = batch
	}
	return shifted, nil
}

func moveURLs(metadata map[string]string, from, to string) {
	for key, value := range metadata {
		metadata[key] = strings.ReplaceAll(value, from, to)
	}
}

// shiftReplay shifts the time that rrweb keeps in an event of its own.
func shiftReplay(payload string, shift int64) (string, error) {
	var event map[string]json.RawMessage
	if err := json.Unmarshal([]byte(payload), &event); err != nil {
		return "", err
	}
	var at int64
	if err := json.Unmarshal(event["timestamp"], &at); err != nil {
		return "", fmt.Errorf("timestamp: %w", err)
	}
	event["timestamp"] = json.RawMessage(fmt.Sprint(at + shift))
	text, err := json.Marshal(event)
	return string(text), err
}

// Play sends all visits through an agent's HTTP port, as the pages did. shopURL is where the shop is now.
func Play(ctx context.Context, agentURL, shopURL, key string, now time.Time) error {
	visits, err := Visits()
	if err != nil {
		return err
	}
	for _, visit := range visits {
		batches, err := visit.At(now, shopURL)
		if err != nil {
			return err
		}
		for _, batch := range batches {
			if err := send(ctx, agentURL, key, visit.UserAgent, batch); err != nil {
				return fmt.Errorf("play the visit %s: %w", visit.File, err)
			}
		}
	}
	return nil
}

func send(ctx context.Context, agentURL, key, userAgent string, batch *gosight.EventBatch) error {
	body, err := batch.MarshalVT()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, agentURL+"/gosight.Ingestor/SendBatch",
		bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/proto")
	request.Header.Set("X-Gosight-Key", key)
	request.Header.Set("User-Agent", userAgent)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the agent says %s: %s", response.Status, answer)
	}
	var status gosight.Status
	if err := status.UnmarshalVT(answer); err != nil {
		return err
	}
	if status.Rejected > 0 {
		return fmt.Errorf("the agent refused %d events: %v", status.Rejected, status.Reasons)
	}
	return nil
}
