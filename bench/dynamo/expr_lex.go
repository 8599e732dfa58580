package dynamo

import "strings"

// tokenKind is the sort of a token of an expression.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenName   // #name
	tokenValue  // :value
	tokenNumber // in an index
	tokenSign   // one of ( ) [ ] . , = <> < <= > >= + -
	tokenBad
)

type token struct {
	kind tokenKind
	text string
	at   int
}

// keyword reports whether the token is the keyword, which is given in upper
// case and read in any.
func (t token) keyword(k string) bool { return t.kind == tokenWord && strings.EqualFold(t.text, k) }

func (t token) sign(s string) bool { return t.kind == tokenSign && t.text == s }

// lex cuts an expression into tokens, ended by tokenEnd.
func lex(s string) []token {
	tokens := make([]token, 0, len(s)/4+2)
	for i := 0; ; {
		for i < len(s) && strings.IndexByte(" \t\r\n", s[i]) >= 0 {
			i++
		}
		if i == len(s) {
			return append(tokens, token{tokenEnd, "<EOF>", i})
		}
		kind, n := lexOne(s[i:])
		tokens = append(tokens, token{kind, s[i : i+n], i})
		i += n
	}
}

func lexOne(s string) (tokenKind, int) {
	c := s[0]
	switch {
	case isLetter(c) && c != '_':
		return tokenWord, 1 + span(s[1:])
	case c >= '0' && c <= '9':
		n := 1
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return tokenNumber, n
	case c == '#' || c == ':':
		n := span(s[1:])
		if n == 0 {
			return tokenBad, 1
		}
		if c == '#' {
			return tokenName, 1 + n
		}
		return tokenValue, 1 + n
	case len(s) > 1 && (s[:2] == "<>" || s[:2] == "<=" || s[:2] == ">="):
		return tokenSign, 2
	case strings.IndexByte("()[].,=<>+-", c) >= 0:
		return tokenSign, 1
	}
	return tokenBad, 1
}

func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// span counts the bytes of a word at the start of s.
func span(s string) int {
	n := 0
	for n < len(s) && (isLetter(s[n]) || s[n] >= '0' && s[n] <= '9') {
		n++
	}
	return n
}

// near is the text from the token before to the token after, as the service
// quotes it in a syntax error.
func near(text string, tokens []token, i int) string {
	from, to := tokens[max(0, i-1)], tokens[min(i+1, len(tokens)-1)]
	if to.kind == tokenEnd {
		return strings.TrimSpace(text[from.at:])
	}
	return text[from.at : to.at+len(to.text)]
}
