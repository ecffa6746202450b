package chdb

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Error is an exception of the engine.
type Error struct {
	Code    int    // ClickHouse's number, 0 if the engine gave none
	Name    string // ClickHouse's name for it, such as UNKNOWN_TABLE, may be empty
	Message string // the whole text, beginning with "Code: "
}

func (e *Error) Error() string { return e.Message }

var (
	errorCode = regexp.MustCompile(`Code: (\d+)\. `)
	errorName = regexp.MustCompile(`\(([A-Z][A-Z0-9_]+)\)`)
)

func parseError(text string) *Error {
	e := &Error{Message: strings.TrimSpace(text)}
	if m := errorCode.FindStringSubmatch(text); m != nil {
		e.Code, _ = strconv.Atoi(m[1])
	}
	if all := errorName.FindAllStringSubmatch(text, -1); len(all) > 0 {
		e.Name = all[len(all)-1][1]
	}
	return e
}

// FormatError writes an error the way the engine does.
func FormatError(code int, name, message string) string {
	return fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, strings.TrimSuffix(message, "."), name)
}
