package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gosight/gosight/aggregator/store"
)

// SavedID is the id of something saved, which whoever saves it chooses: saving twice is saving once.
type SavedID struct {
	ProjectScope
	ID string `path:"id" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9_-]+$"`
}

type segmentsOutput struct {
	Body struct {
		Segments []store.Segment `json:"segments"`
	}
}

type segmentInput struct {
	SavedID
	Body struct {
		Name   string `json:"name" minLength:"1" maxLength:"120"`
		Filter string `json:"filter" maxLength:"4096" doc:"Query string of the sessions list."`
	}
}

type annotationsInput struct {
	ProjectScope
	SpanInput
}

type annotationsOutput struct {
	Body struct {
		Annotations []store.Annotation `json:"annotations"`
	}
}

type annotationInput struct {
	SavedID
	Body struct {
		At    int64  `json:"at" minimum:"1" doc:"Unix milliseconds."`
		Title string `json:"title" minLength:"1" maxLength:"120"`
		Text  string `json:"text,omitempty" maxLength:"2000"`
	}
}

func (s *Server) registerSaved(api huma.API) {
	get(s, api, "/segments", "list-segments", "Saved filters of the sessions list, by name",
		func(ctx context.Context, in *ProjectScope) (*segmentsOutput, error) {
			out := &segmentsOutput{}
			var err error
			out.Body.Segments, err = in.reader(s).Segments(ctx)
			return out, err
		})
	operation(s, api, http.MethodPut, "/segments/{id}", "save-segment", "Save a segment, over what has its id",
		func(ctx context.Context, in *segmentInput) (*struct{}, error) {
			return nil, s.store.SaveSegment(ctx, in.Project, store.Segment{ID: in.ID, Name: in.Body.Name, Filter: in.Body.Filter})
		})
	operation(s, api, http.MethodDelete, "/segments/{id}", "delete-segment", "Delete a segment",
		func(ctx context.Context, in *SavedID) (*struct{}, error) {
			return nil, s.store.DeleteSegment(ctx, in.Project, in.ID)
		})
	get(s, api, "/annotations", "list-annotations", "Notes and first sights of releases, in time order",
		func(ctx context.Context, in *annotationsInput) (*annotationsOutput, error) {
			if err := in.check(); err != nil {
				return nil, err
			}
			out := &annotationsOutput{}
			var err error
			out.Body.Annotations, err = in.reader(s).Annotations(ctx, in.From, in.To)
			return out, err
		})
	operation(s, api, http.MethodPut, "/annotations/{id}", "save-annotation", "Save a note, over what has its id",
		func(ctx context.Context, in *annotationInput) (*struct{}, error) {
			return nil, s.store.SaveAnnotation(ctx, in.Project, store.Annotation{
				ID: in.ID, At: in.Body.At, Title: in.Body.Title, Text: in.Body.Text,
			})
		})
	operation(s, api, http.MethodDelete, "/annotations/{id}", "delete-annotation", "Delete a note",
		func(ctx context.Context, in *SavedID) (*struct{}, error) {
			return nil, s.store.DeleteAnnotation(ctx, in.Project, in.ID)
		})
}
