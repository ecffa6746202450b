package chserver

import (
	"errors"
	"net/http"

	"github.com/gosight/gosight/ops/engines/chdb"
)

// ClickHouse's numbers for the errors that this server itself finds.
const (
	codeSyntaxError      = 62
	codeNotImplemented   = 48
	codeBadArguments     = 36
	codeUnknownDatabase  = 81
	codeCannotDecompress = 271
	codeTooManyQueries   = 202
	codeQueryCancelled   = 394
	codeNotAllowed       = 497
	codeNetworkError     = 210
	codeUnknownException = 1002
)

func exception(code int, name, message string) *chdb.Error {
	return &chdb.Error{Code: code, Name: name, Message: chdb.FormatError(code, name, message)}
}

// asException makes an exception of any error, as ClickHouse would report it.
func asException(err error) *chdb.Error {
	var e *chdb.Error
	if errors.As(err, &e) {
		if e.Code == 0 {
			return exception(codeUnknownException, "UNKNOWN_EXCEPTION", e.Message)
		}
		return e
	}
	return exception(codeUnknownException, "UNKNOWN_EXCEPTION", err.Error())
}

// statusOf maps an exception to the HTTP status that ClickHouse sends with it.
func statusOf(e *chdb.Error) int {
	switch e.Code {
	case 192, 193, 194, 492, 497, 516, 291: // users, passwords, rights
		return http.StatusForbidden
	case 6, 25, 26, 27, 38, 41, 53, 62, 69, 70, 72, 321, 386, // cannot parse, mismatch
		36, 42, 43, 44, 56, 427, 467, 547: // illegal
		return http.StatusBadRequest
	case 16, 46, 47, 50, 60, 61, 81, 73, 83, 108, 115, 141, 195: // unknown something
		return http.StatusNotFound
	case 159:
		return http.StatusRequestTimeout
	case 229:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeTooManyQueries, 209, 210:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
