// Package grafana is GoSight's dashboards as code. `go generate ./ops/grafana` writes them to dashboards/, where
// Grafana's provisioning reads them; a test in ops/deploy runs every query on the real engine.
package grafana

//go:generate go run ./generate

// The data sources of provisioning/datasources.
const (
	clickhouse = "gosight-clickhouse"
	prometheus = "gosight-prometheus"
)

type object = map[string]any

func source(uid string) object {
	kind := "prometheus"
	if uid == clickhouse {
		kind = "grafana-clickhouse-datasource"
	}
	return object{"type": kind, "uid": uid}
}

// panel is one picture on a dashboard. Width is in 24ths of the screen, height in Grafana's rows of 30 px.
type panel struct {
	title, about string
	kind         string // stat, timeseries, table, bargauge, piechart; row begins a section
	w, h         int
	sql          string // one query of ClickHouse,
	prom         []expr // or some of Prometheus
	unit         string
	stack        bool
	bars         bool
	columns      []column // of a table, and of links
}

// expr is a PromQL expression and how its series are called.
type expr struct{ promql, legend string }

// column says how a table's column looks; link may name other columns as ${__data.fields.NAME}.
type column struct {
	name, unit, link, linkTitle string
	width                       int
	hidden                      bool
}

// replay makes a column a link into the replay of the row's `session`, at the row's `at` (Unix ms) where it has one.
func replay(name string) column {
	return column{name: name, linkTitle: "Watch it", link: "${ui}/sessions/${__data.fields.session}?at=${__data.fields.at}"}
}

func (p panel) json(id, x, y int) object {
	out := object{
		"id": id, "title": p.title, "type": p.kind,
		"gridPos": object{"x": x, "y": y, "w": p.w, "h": p.h},
	}
	if p.kind == "row" {
		out["collapsed"], out["panels"] = false, []any{}
		return out
	}
	out["description"] = p.about
	out["datasource"], out["targets"] = p.targets()
	out["options"] = p.options()
	out["fieldConfig"] = object{"defaults": p.defaults(), "overrides": p.overrides()}
	return out
}

func (p panel) targets() (object, []any) {
	if p.sql != "" {
		format, kind := 1, "table"
		if p.kind == "timeseries" {
			format, kind = 0, "timeseries"
		}
		return source(clickhouse), []any{object{
			"refId": "A", "datasource": source(clickhouse), "editorType": "sql", "rawSql": p.sql, "format": format,
			"queryType": kind,
		}}
	}
	var targets []any
	for i, e := range p.prom {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "datasource": source(prometheus), "expr": e.promql,
			"legendFormat": e.legend, "range": p.kind == "timeseries", "instant": p.kind != "timeseries",
		})
	}
	return source(prometheus), targets
}

func (p panel) options() object {
	values := object{"calcs": []string{"lastNotNull"}, "fields": "", "values": p.kind != "stat"}
	switch p.kind {
	case "stat":
		return object{"reduceOptions": values, "colorMode": "value", "graphMode": "area", "justifyMode": "auto",
			"orientation": "auto", "textMode": "auto", "wideLayout": true, "showPercentChange": false,
			"percentChangeColorMode": "standard"}
	case "timeseries":
		return object{
			"legend":  object{"showLegend": true, "displayMode": "table", "placement": "bottom", "calcs": []string{"mean", "max"}},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
	case "table":
		return object{"showHeader": true, "cellHeight": "sm", "frameIndex": 0}
	case "bargauge":
		return object{"reduceOptions": values, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": true,
			"valueMode": "color", "namePlacement": "auto", "sizing": "auto", "minVizHeight": 16, "minVizWidth": 8,
			"maxVizHeight": 300,
			"legend":       object{"showLegend": false, "displayMode": "list", "placement": "bottom", "calcs": []string{}}}
	case "piechart":
		return object{"reduceOptions": values, "pieType": "donut", "orientation": "auto", "displayLabels": []string{"percent"},
			"legend": object{"showLegend": true, "displayMode": "table", "placement": "right", "values": []string{"value"},
				"calcs": []string{}},
			"tooltip": object{"mode": "single", "sort": "none"}}
	}
	return object{}
}

func (p panel) defaults() object {
	out := object{"unit": p.unit, "custom": object{}}
	if p.unit == "" {
		out["unit"] = "short"
	}
	switch p.kind {
	case "timeseries":
		custom := object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": true}
		if p.bars {
			custom["drawStyle"], custom["fillOpacity"] = "bars", 70
		}
		if p.stack {
			custom["stacking"] = object{"mode": "normal", "group": "A"}
		}
		out["custom"], out["min"] = custom, 0
	case "table":
		out["custom"] = object{"align": "auto", "inspect": false, "cellOptions": object{"type": "auto"}}
	case "stat", "bargauge":
		out["color"] = object{"mode": "continuous-BlPu"}
		out["min"] = 0
	}
	return out
}

func (p panel) overrides() []any {
	overrides := []any{}
	for _, c := range p.columns {
		var properties []any
		set := func(id string, value any) { properties = append(properties, object{"id": id, "value": value}) }
		if c.unit != "" {
			set("unit", c.unit)
		}
		if c.width > 0 {
			set("custom.width", c.width)
		}
		if c.hidden {
			set("custom.hideFrom.viz", true)
		}
		if c.link != "" {
			set("links", []any{object{"title": c.linkTitle, "url": c.link, "targetBlank": true}})
		}
		overrides = append(overrides, object{"matcher": object{"id": "byName", "options": c.name}, "properties": properties})
	}
	return overrides
}
