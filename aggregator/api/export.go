package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/store"
)

// ExportFormat is how an export is written.
type ExportFormat struct {
	Format string `query:"format" default:"csv" enum:"csv,ndjson,parquet"`
}

var contentTypes = map[string]string{
	"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson", "parquet": "application/vnd.apache.parquet",
}

type exportSessionsInput struct {
	SessionQuery
	ExportFormat
}

type exportSignalsInput struct {
	ProjectScope
	SpanInput
	Kind []string `query:"kind,explode" maxItems:"16"`
	Page string   `query:"page" maxLength:"512" doc:"Part of the page's address."`
	ExportFormat
}

type exportEventsInput struct {
	ProjectScope
	ID string `path:"id" minLength:"1" maxLength:"128"`
	ExportFormat
}

func (s *Server) registerExports(api huma.API) {
	export(s, api, "/export/sessions", "export-sessions", "Visits and their counts as a file, at most 100,000",
		func(in *exportSessionsInput) (ExportFormat, written, error) {
			filter, err := in.filter()
			return in.ExportFormat, func(ctx context.Context, to io.Writer) error {
				return in.reader(s).ExportSessions(ctx, filter, in.Format, to)
			}, err
		})
	export(s, api, "/export/signals", "export-signals", "Signals as a file, at most 100,000",
		func(in *exportSignalsInput) (ExportFormat, written, error) {
			return in.ExportFormat, func(ctx context.Context, to io.Writer) error {
				return in.reader(s).ExportSignals(ctx, store.InsightFilter{From: in.From, To: in.To, Kinds: in.Kind, Page: in.Page}, in.Format, to)
			}, in.check()
		})
	export(s, api, "/sessions/{id}/export", "export-events", "A visit's events as a file, recordings left out",
		func(in *exportEventsInput) (ExportFormat, written, error) {
			return in.ExportFormat, func(ctx context.Context, to io.Writer) error {
				return in.reader(s).ExportEvents(ctx, in.ID, in.Format, to)
			}, nil
		})
}

// written writes an export.
type written = func(ctx context.Context, to io.Writer) error

// export registers a query whose answer is a file. Nothing is sent before the engine has begun to answer, so that
// what fails before has a status of its own.
func export[I any](s *Server, api huma.API, path, id, summary string, prepare func(in *I) (ExportFormat, written, error)) {
	types := map[string]*huma.MediaType{}
	for _, contentType := range contentTypes {
		types[contentType] = &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
	}
	op := huma.Operation{
		Method: http.MethodGet, Path: base + path, OperationID: id, Summary: summary, Errors: []int{401, 422, 503, 504},
		Responses: map[string]*huma.Response{"200": {Description: "The file.", Content: types}},
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		format, write, err := prepare(in)
		if err != nil {
			return nil, err
		}
		leave, err := s.enter()
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer leave()
			ctx, cancel := context.WithTimeout(hc.Context(), s.cfg.ExportTimeout)
			defer cancel()
			to := &lateHeader{ctx: hc, format: format.Format, name: id}
			err := write(ctx, to)
			if err == nil {
				_, err = to.Write(nil) // a file without rows is a file too
			}
			if err != nil {
				to.fail(s, api, s.problem(ctx, id, err))
			}
		}}, nil
	})
}

// lateHeader sends the headers with the first byte.
type lateHeader struct {
	ctx          huma.Context
	format, name string
	begun        bool
}

func (w *lateHeader) Write(p []byte) (int, error) {
	if !w.begun {
		w.begun = true
		w.ctx.SetHeader("Content-Type", contentTypes[w.format])
		w.ctx.SetHeader("Content-Disposition", fmt.Sprintf("attachment; filename=%q",
			"gosight-"+w.name+"-"+time.Now().UTC().Format("20060102-150405")+"."+w.format))
		w.ctx.SetStatus(http.StatusOK)
	}
	return w.ctx.BodyWriter().Write(p)
}

// fail tells the client, with a status where that is still possible, and else by breaking the answer off: half a
// file must not look whole.
func (w *lateHeader) fail(s *Server, api huma.API, problem error) {
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	status := http.StatusServiceUnavailable
	if known, ok := problem.(huma.StatusError); ok {
		status = known.GetStatus()
	}
	if err := huma.WriteErr(api, w.ctx, status, problem.Error()); err != nil {
		s.log.Debug("refuse an export", "error", err)
	}
}
