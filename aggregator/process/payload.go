package process

import (
	"github.com/gosight/gosight/aggregator/store"
	"github.com/tidwall/gjson"
)

// reading fills a row's columns from one field of a payload.
type reading func(row *store.EventRow, key string, value gjson.Result)

// readings has the event types whose payloads have columns of their own; what is not in a column is still in the
// payload.
var readings = map[string]reading{
	"click": readClick, "dblclick": readClick, "contextmenu": readClick,
	"input":     readInput,
	"scroll":    readScroll,
	"navigate":  readNavigate,
	"page_load": readPage, "page_exit": readPage,
	"error": readError, "console": readConsole, "network": readNetwork,
	"web_vital": readVital,
	"custom":    readCustom,
}

// readPayload fills the columns that come from the payload, in one pass over it. Payloads were valid JSON at
// ingest; what is not of the expected kind leaves its column empty.
func readPayload(row *store.EventRow) {
	read, ok := readings[row.EventType]
	if !ok || row.Payload == "" {
		return
	}
	gjson.Parse(row.Payload).ForEach(func(key, value gjson.Result) bool {
		read(row, key.Str, value)
		return true
	})
}

func readClick(row *store.EventRow, key string, value gjson.Result) {
	switch key {
	case "x":
		row.X = float32(value.Num)
	case "y":
		row.Y = float32(value.Num)
	case "page_x":
		row.PageX = float32(value.Num)
	case "page_y":
		row.PageY = float32(value.Num)
	case "vw":
		row.ViewportWidth = pixels(value.Num)
	case "vh":
		row.ViewportHeight = pixels(value.Num)
	case "selector":
		row.Selector = value.Str
	case "text":
		row.Text = value.Str
	}
}

func readInput(row *store.EventRow, key string, value gjson.Result) {
	if key == "selector" {
		row.Selector = value.Str
	}
}

func readScroll(row *store.EventRow, key string, value gjson.Result) {
	switch key {
	case "depth":
		row.Value = value.Num
	case "y":
		row.PageY = float32(value.Num)
	}
}

func readNavigate(row *store.EventRow, key string, value gjson.Result) {
	switch key {
	case "kind":
		row.Name = value.Str
	case "to":
		if row.URL == "" {
			row.URL = value.Str
		}
	}
}

func readPage(row *store.EventRow, key string, value gjson.Result) {
	switch key {
	case "url":
		if row.URL == "" {
			row.URL = value.Str
		}
	case "title":
		row.Text = value.Str
	case "load_ms", "dwell_ms":
		row.Value = value.Num
	}
}

func readError(row *store.EventRow, key string, value gjson.Result) {
	if key == "message" {
		row.Text = value.Str
	}
}

func readConsole(row *store.EventRow, key string, value gjson.Result) {
	switch key {
	case "level":
		row.Name = value.Str
	case "message":
		row.Text = value.Str
	}
}

func readNetwork(row *store.EventRow, key string, value gjson.Result) {
	switch key {
	case "method":
		row.Name = value.Str
	case "url":
		row.Text = value.Str
	case "status":
		row.Value = value.Num
	}
}

func readVital(row *store.EventRow, key string, value gjson.Result) {
	switch key {
	case "name":
		row.Name = value.Str
	case "value":
		row.Value = value.Num
	}
}

// maxProps bounds what one custom event can make searchable; all its properties are in the payload.
const maxProps = 32

func readCustom(row *store.EventRow, key string, value gjson.Result) {
	switch key {
	case "name":
		row.Name = value.Str
	case "props":
		if !value.IsObject() {
			return
		}
		value.ForEach(func(key, value gjson.Result) bool {
			if !value.IsObject() && !value.IsArray() {
				row.Props = append(row.Props, store.Pair{Key: key.Str, Value: value.String()})
			}
			return len(row.Props) < maxProps
		})
	}
}

func pixels(v float64) uint16 {
	const most = 1<<16 - 1
	return uint16(min(max(v, 0), most))
}
