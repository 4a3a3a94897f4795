package wsconn

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// redacted stands for a secret.
const redacted = "[redacted]"

// Redact returns text without secret: in any of the forms in which an error or
// a service quotes it, and also without the beginning of it at the end of a
// text that was cut there.
func Redact(text, secret string) string {
	if secret == "" {
		return text
	}
	quoted := strconv.Quote(secret)
	ascii := strconv.QuoteToASCII(secret)
	for _, form := range [...]string{
		secret, quoted[1 : len(quoted)-1], ascii[1 : len(ascii)-1],
		url.QueryEscape(secret), url.PathEscape(secret),
	} {
		text = strings.ReplaceAll(text, form, redacted)
	}
	const telling = 6 // a shorter beginning tells too little to be worth hiding
	for n := min(len(secret), len(text)); n >= telling; n-- {
		if strings.HasSuffix(text, secret[:n]) {
			text = text[:len(text)-n] + redacted
			break
		}
	}
	if strings.Contains(text, secret) {
		return "" // the secret is a part of our own words
	}
	return text
}

// Quote makes text that came from outside fit for an error or a log: quoted,
// on one line, no longer than limit bytes of it. An empty text stays empty.
func Quote(text string, limit int) string {
	if text == "" {
		return ""
	}
	if len(text) <= limit {
		return strconv.Quote(text)
	}
	return strconv.Quote(beginning(text, limit)) + "..."
}

// OneLine makes the text of an error that may quote what came from outside fit
// for a log: no control characters, no longer than limit bytes.
func OneLine(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return '?'
	}, text)
	if len(text) <= limit {
		return text
	}
	return beginning(text, limit) + "..."
}

// beginning cuts text, which is longer than limit, between two runes.
func beginning(text string, limit int) string {
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
