package redact

import "strings"

// mailAt widens an at sign, text[at:after], to the mail address around it.
func mailAt(text string, at, after int) (start, end int, ok bool) {
	const maxLocal, maxDomain = 64, 253 // RFC 5321
	start = at
	for start > 0 && at-start < maxLocal && isLocal(text[start-1]) {
		start--
	}
	start = skipEscape(text, start, at)
	end = after
	for end < len(text) && end-after < maxDomain && isDomain(text[end]) {
		end++
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
	return isDomain(c) || c == '_' || c == '+'
}

func isDomain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-'
}

func isAlphabetic(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
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

// cardAt looks whether the digits that end at or just after text[last], single spaces and hyphens between them
// allowed, are a payment card's number. last is the 15th digit of its run.
func cardAt(text string, last int) (start, end int, ok bool) {
	var number [16]byte
	start = last
	for n := 15; ; start-- {
		if isDigit(text[start]) {
			n--
			number[n] = text[start] - '0'
			if n == 0 {
				break
			}
		}
	}
	if start > 0 && (isDigit(text[start-1]) || text[start-1] == '.') {
		return 0, 0, false
	}
	end = last + 1
	next := end
	if next < len(text) && (text[next] == ' ' || text[next] == '-') {
		next++
	}
	length := 15
	if next < len(text) && isDigit(text[next]) {
		number[15] = text[next] - '0'
		length, end = 16, next+1
	}
	if end < len(text) && isDigit(text[end]) {
		return 0, 0, false
	}
	return start, end, isIssued(number[:length]) && luhn(number[:length])
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
