package deploy

import (
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/ops/engines/enginetest"
)

// users is what these tests read of ClickHouse's users.d.
type users struct {
	Profiles struct {
		Analyst struct {
			Settings []node `xml:",any"`
		} `xml:"analyst"`
	} `xml:"profiles"`
	Users struct {
		All []struct {
			XMLName xml.Name
			Profile string   `xml:"profile"`
			Grants  []string `xml:"grants>query"`
			Filters struct {
				Tables []struct {
					XMLName xml.Name
					Filter  string `xml:"filter"`
				} `xml:",any"`
			} `xml:"databases>gosight"`
		} `xml:",any"`
	} `xml:"users"`
}

type node struct {
	XMLName  xml.Name
	Value    string `xml:",chardata"`
	Children []node `xml:",any"`
}

func readUsers(t *testing.T, text string) users {
	t.Helper()
	var u users
	if err := xml.Unmarshal([]byte(text), &u); err != nil {
		t.Fatal(err)
	}
	if len(u.Users.All) != 1 || u.Users.All[0].Profile != "analyst" {
		t.Fatalf("users: %+v", u.Users.All)
	}
	return u
}

// Grafana's users read what dashboards ask, and nothing with secrets or recordings in it, within limits that a query
// cannot raise; that of a project sees its rows alone. What ClickHouse makes of users.d was not tried: the engine that is
// embedded has no users. What is in the files is held against that engine: statements, settings, tables and filters.
func TestGrafanaUsersReadLittle(t *testing.T) {
	text := map[string]string{}
	for _, name := range []string{"grafana.xml", "project.xml"} {
		file, err := os.ReadFile(Root + "ops/docker/clickhouse/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text[name] = string(file)
	}
	all, own := readUsers(t, text["grafana.xml"]), readUsers(t, strings.ReplaceAll(text["project.xml"], "PROJECT", "shop"))

	asked := map[string]bool{}
	files, err := filepath.Glob(Root + "ops/grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, Root+"ops/grafana/provisioning/alerting/gosight.yml") {
		queries, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range regexp.MustCompile(`(?:FROM|JOIN) ((?:gosight|system)\.\w+)`).FindAllStringSubmatch(string(queries), -1) {
			asked["GRANT SELECT ON "+table[1]] = true
		}
	}
	grants := all.Users.All[0].Grants
	for grant := range asked {
		if !slices.Contains(grants, grant) {
			t.Errorf("dashboards ask for what grafana.xml does not grant: %s", grant)
		}
	}
	for _, grant := range grants {
		if !asked[grant] {
			t.Errorf("granted, and asked by no dashboard: %s", grant)
		}
	}

	cfg := store.Default()
	cfg.URL = enginetest.TestClickHouse(t)
	st, err := store.Open(t.Context(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	number := func(query string, args ...any) (n uint64) {
		t.Helper()
		if err := st.Conn().QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		return n
	}
	for _, grant := range append(slices.Clone(grants), own.Users.All[0].Grants...) {
		var formatted string
		grant += " TO grafana" // in the file, to whom is said by where it stands
		if err := st.Conn().QueryRow(t.Context(), "SELECT formatQuerySingleLine(?)", grant).Scan(&formatted); err != nil || formatted != grant {
			t.Errorf("the engine reads %q as %q, %v", grant, formatted, err)
		}
	}

	limits := map[string]string{}
	for _, setting := range all.Profiles.Analyst.Settings {
		if name := setting.XMLName.Local; name != "constraints" {
			limits[name] = strings.TrimSpace(setting.Value)
			if number("SELECT count() FROM system.settings WHERE name = ?", name) != 1 {
				t.Errorf("the engine has no setting %s", name)
			}
			continue
		}
		for _, constraint := range setting.Children {
			fixed := constraint.Children[0].XMLName.Local == "readonly"
			highest := limits[constraint.XMLName.Local]
			if constraint.XMLName.Local == "max_execution_time" {
				highest = "120" // the data source asks for a time of its own
			}
			if !fixed && (len(constraint.Children) != 2 || constraint.Children[0].Value != "1" || constraint.Children[1].Value != highest) {
				t.Errorf("a query may set %s beyond its limit %s", constraint.XMLName.Local, highest)
			}
			delete(limits, constraint.XMLName.Local)
		}
	}
	if len(limits) != 1 || limits["readonly"] != "2" {
		t.Errorf("without a constraint, beside readonly, are %v", limits)
	}

	// One row of two projects in each table; the filter leaves the project's.
	filters := map[string]string{}
	for _, table := range own.Users.All[0].Filters.Tables {
		filters["GRANT SELECT ON gosight."+table.XMLName.Local] = table.Filter
		name := "gosight." + table.XMLName.Local
		if err := st.Conn().Exec(t.Context(), fmt.Sprintf("INSERT INTO %s (project, session_id, inserted_at) SELECT arrayJoin(['shop', 'bank']), 'of the filters', now64(3)", name)); err != nil {
			t.Fatal(err)
		}
		where := name + " FINAL WHERE session_id = 'of the filters'"
		if seen, of := number("SELECT count() FROM "+where+" AND "+table.Filter), number("SELECT count() FROM "+where); seen != 1 || of != 2 {
			t.Errorf("%s: the filter shows %d of %d rows, want 1 of 2", name, seen, of)
		}
		if got := number("SELECT count() FROM " + where + " AND project = 'bank' AND " + table.Filter); got != 0 {
			t.Errorf("%s: the filter shows another project", name)
		}
	}
	for _, grant := range own.Users.All[0].Grants {
		if filters[grant] == "" {
			t.Errorf("a project's user reads all of it: %s has no filter", grant)
		}
		delete(filters, grant)
	}
	if len(filters) != 0 {
		t.Errorf("filters of what is not granted: %v", filters)
	}
}
