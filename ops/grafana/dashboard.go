package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Dashboard is one file of Grafana's dashboard JSON.
type Dashboard struct {
	Name        string // of the file, and behind gosight- its uid
	title       string
	about       string
	from        string
	variables   []any
	annotations []any
	panels      []panel
}

// Dashboards are all of them.
func Dashboards() []Dashboard {
	return []Dashboard{experience(), sessions(), pipeline(), releases()}
}

// JSON is what Grafana reads.
func (d Dashboard) JSON() ([]byte, error) {
	var panels []any
	x, y, line := 0, 0, 0
	for i, p := range d.panels {
		if p.kind == "row" {
			p.w, p.h = 24, 1
		}
		if x+p.w > 24 {
			x, y, line = 0, y+line, 0
		}
		panels = append(panels, p.json(i+1, x, y))
		x, line = x+p.w, max(line, p.h)
	}
	annotations := append([]any{object{
		"builtIn": 1, "datasource": object{"type": "grafana", "uid": "-- Grafana --"}, "enable": true, "hide": true,
		"iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
	}}, d.annotations...)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(object{
		"uid": "gosight-" + d.Name, "title": "GoSight: " + d.title, "description": d.about, "tags": []string{"gosight"},
		"schemaVersion": 41, "version": 1, "editable": true, "graphTooltip": 1, "timezone": "browser", "refresh": "30s",
		"fiscalYearStartMonth": 0,
		"time":                 object{"from": d.from, "to": "now"},
		"timepicker":           object{},
		"templating":           object{"list": d.variables},
		"annotations":          object{"list": annotations},
		"links": []any{object{
			"title": "GoSight", "type": "dashboards", "tags": []string{"gosight"}, "asDropdown": true, "keepTime": true,
			"includeVars": true, "icon": "external link", "targetBlank": false, "tooltip": "", "url": "",
		}},
		"panels": panels,
	})
	if err != nil {
		return nil, fmt.Errorf("encode dashboard %s: %w", d.Name, err)
	}
	return out.Bytes(), nil
}

// chosen is a variable whose values a query brings.
func chosen(name, label, sql string, several bool) object {
	return object{
		"name": name, "label": label, "type": "query", "datasource": source(clickhouse), "refresh": 2, "sort": 1,
		"query": object{"editorType": "sql", "rawSql": sql, "refId": name}, "definition": sql,
		"multi": several, "includeAll": several, "hide": 0, "regex": "", "options": []any{}, "current": current(several),
	}
}

func current(several bool) object {
	if several {
		return object{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}}
	}
	return object{"selected": false, "text": "", "value": ""} // the first, once Grafana has asked
}

// typed is a variable that is typed in.
func typed(name, label, value string) object {
	return object{
		"name": name, "label": label, "type": "textbox", "query": value, "hide": 0,
		"current": object{"selected": true, "text": value, "value": value},
		"options": []any{object{"selected": true, "text": value, "value": value}},
	}
}

// The variables that most dashboards have. ui is where GoSight's own pages are, for the links into replays.
var (
	projectVariable = chosen("project", "Project", `SELECT DISTINCT project FROM gosight.sessions ORDER BY project`, false)
	kindVariable    = chosen("kind", "Signal", `SELECT DISTINCT kind FROM gosight.signals FINAL
WHERE project = ${project:sqlstring} AND $__timeFilter(ts) ORDER BY kind`, true)
	pageVariable = typed("page", "Page contains", "")
	uiVariable   = typed("ui", "GoSight's URL", "http://localhost:7721")
)
