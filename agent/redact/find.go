package redact

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// mailAt widens an at sign, text[at:after], to the mail address around it.
func mailAt(text string, at, after int) (start, end int, ok bool) {
	const maxLocal, maxDomain = 64, 253 // RFC 5321
	start = at
	for start > 0 && at-start < maxLocal && (isLocal(text[start-1]) || isEscapedLetter(text, start-1)) {
		start--
	}
	start = skipEscape(text, start, at)
	for start < at && !utf8.RuneStart(text[start]) {
		start++
	}
	end = after
	for end < len(text) && end-after < maxDomain && (isDomain(text[end]) || text[end] >= utf8.RuneSelf) {
		end++
	}
	for end > after && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	for end > after && (text[end-1] == '.' || text[end-1] == '-') {
		end--
	}
	dot := strings.LastIndexByte(text[after:end], '.')
	if start == at || dot <= 0 {
		return 0, 0, false
	}
	top := text[after+dot+1 : end]
	return start, end, len(top) >= 2 && isAlphabetic(top) && !isFileEnding(top)
}

// skipEscape moves start past what belongs to a JSON escape just before it: in `\nbob@` the n is not the name's.
func skipEscape(text string, start, limit int) int {
	if start == 0 || text[start-1] != '\\' {
		return start
	}
	skip := 1
	if text[start] == 'u' {
		skip = 5
	}
	return min(start+skip, limit)
}

func isLocal(c byte) bool {
	return isDomain(c) || c == '_' || c == '+' || c >= utf8.RuneSelf
}

// isEscapedLetter tells whether text[i] begins a JSON escape of what is not ASCII: "\u00e9" is part of a name.
func isEscapedLetter(text string, i int) bool {
	if text[i] != '\\' || i > 0 && text[i-1] == '\\' {
		return false
	}
	code, ok := unicodeEscape(text, i)
	return ok && code >= utf8.RuneSelf
}

// unicodeEscape reads the escape \uXXXX at text[i].
func unicodeEscape(text string, i int) (code rune, ok bool) {
	if len(text) < i+6 || text[i] != '\\' || text[i+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(text[i+2:i+6], 16, 16)
	return rune(n), err == nil
}

// signAt reads one of @ ? & # at text[i], be it as it is, as URLs encode it (%40), or as JSON may (\u0040). Where there is
// none, after is where to look on.
func signAt(text string, i int) (sign byte, after int) {
	switch c := text[i]; c {
	case '%':
		if len(text) >= i+3 {
			if n, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				return byte(n), i + 3
			}
		}
		return 0, i + 1
	case '\\':
		if code, ok := unicodeEscape(text, i); ok && code < utf8.RuneSelf {
			return byte(code), i + 6
		}
		return 0, i + 1
	default:
		return c, i + 1
	}
}

func isDomain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-'
}

func isAlphabetic(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && c < utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isFileEnding tells icon@2x.png from a mail address.
func isFileEnding(s string) bool {
	switch strings.ToLower(s) {
	case "png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "css", "js", "mjs":
		return true
	}
	return false
}

// cardAt looks whether the digits from text[start] on, single spaces and hyphens between them allowed, are a payment
// card's number. end is behind the digits, whether they are or not.
func cardAt(text string, start int) (_, end int, ok bool) {
	const longest = 16
	var number [longest]byte
	n := 0
	for end = start; end < len(text); end++ {
		c := text[end]
		if isDigit(c) {
			if n < longest {
				number[n] = c - '0'
			}
			n++
			continue
		}
		if (c != ' ' && c != '-') || end+1 == len(text) || !isDigit(text[end+1]) {
			break
		}
	}
	if n != longest && n != longest-1 || start > 0 && text[start-1] == '.' {
		return start, end, false
	}
	return start, end, isIssued(number[:n]) && luhn(number[:n])
}

// mayBeNumber tells whether the digits text[start:end] could be a JSON number, by what stands around them.
func mayBeNumber(text string, start, end int) bool {
	return (start == 0 || strings.IndexByte(":,[- \t\r\n", text[start-1]) >= 0) &&
		(end == len(text) || strings.IndexByte(",]}.eE \t\r\n", text[end]) >= 0)
}

// isIssued looks at the leading digits that card schemes use, so that a long id passes for a card more rarely.
func isIssued(number []byte) bool {
	two := int(number[0])*10 + int(number[1])
	if len(number) == 15 {
		return two == 34 || two == 37
	}
	return number[0] == 4 || two >= 51 && two <= 55 || two >= 22 && two <= 27 || two == 35 || two == 60 || two == 62 ||
		two == 64 || two == 65
}

func luhn(number []byte) bool {
	sum := 0
	for i, digit := range number {
		d := int(digit)
		if (len(number)-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// tokenAt finds the end of a JSON web token that starts at text[start]: three base64url parts with dots between.
func tokenAt(text string, start int) (end int, ok bool) {
	const shortestPart = 4
	dots, part := 0, 0
	for end = start; end < len(text); end++ {
		c := text[end]
		switch {
		case c == '.':
			if part < shortestPart {
				return 0, false
			}
			dots, part = dots+1, 0
		case c == '_' || isDomain(c):
			part++
		default:
			return end, dots == 2 && part >= shortestPart
		}
		if dots > 2 {
			return 0, false
		}
	}
	return end, dots == 2 && part >= shortestPart
}

// phoneAt finds the end of a phone number in international form at text[start], a plus: 8 to 15 digits, with
// spaces, hyphens, dots and parentheses between them.
func phoneAt(text string, start int) (end int, ok bool) {
	const fewest, most = 8, 15 // E.164
	n, last := 0, start
	for end = start + 1; end < len(text); end++ {
		c := text[end]
		if isDigit(c) {
			n, last = n+1, end
			continue
		}
		if strings.IndexByte(" -.()", c) < 0 || end-last > 2 {
			break
		}
	}
	return last + 1, n >= fewest && n <= most && start+1 < len(text) && text[start+1] != '0'
}

// isNationalID tells whether text[start:end], digits and what may stand between a card's, is a US social security
// number (AAA-GG-SSSS) or a Vietnamese citizen's (12 digits: province, century and sex, year of birth, and 6 more).
func isNationalID(text string, start, end int) bool {
	number := text[start:end]
	switch {
	case len(number) == 11 && number[3] == '-' && number[6] == '-':
		area := number[:3]
		return area != "000" && area != "666" && area[0] != '9' && number[4:6] != "00" && number[7:] != "0000"
	case len(number) == 12 && strings.Trim(number, "0123456789") == "":
		return number[0] == '0' && number[:3] != "000" && number[:3] <= "096" && number[3] <= '3'
	}
	return false
}
